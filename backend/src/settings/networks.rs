//! Networks as the command line takes them.

use std::str::FromStr;

use mesh::plan::Subnet;

/// Networks, as a person writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(pub Vec<Subnet>);

/// What was written is no network.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is neither an address nor a network such as 10.0.0.0/8")]
pub struct NoNetwork(String);

impl FromStr for Networks {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let written = text.split(',').map(str::trim).filter(|written| !written.is_empty());
        let read = |written: &str| Subnet::parse(written).ok_or_else(|| NoNetwork(written.to_owned()));
        written.map(read).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read() {
        for (text, expected) in [
            ("", Ok(0)),
            ("10.0.0.0/8, fd00::/8,192.168.1.7", Ok(3)),
            ("10.0.0.0/33", Err("`10.0.0.0/33` is neither an address nor a network such as 10.0.0.0/8")),
            ("10.0.0.1,here", Err("`here` is neither an address nor a network such as 10.0.0.0/8")),
        ] {
            let read = text.parse::<Networks>().map(|it| it.0.len()).map_err(|error| error.to_string());
            assert_eq!(read, expected.map_err(str::to_owned), "{text}");
        }
    }
}
