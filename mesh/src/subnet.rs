//! Ranges of addresses.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A range of addresses: `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its first address.
    pub address: IpAddr,
    /// Bits that count.
    pub prefix: u8,
}

impl Subnet {
    /// Reads `address` or `address/bits`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), str::parse).ok().filter(|prefix| *prefix <= bits)?;
        Some(Self { address, prefix })
    }

    /// Whether an address is in it. One of IPv4 that is written as one of IPv6 is the same.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |it: IpAddr| match it {
            IpAddr::V4(it) => u128::from(it.to_bits()) << 96,
            IpAddr::V6(it) => it.to_bits(),
        };
        let (own, other) = (self.address.to_canonical(), address.to_canonical());
        let differs = bits(own) ^ bits(other);
        own.is_ipv4() == other.is_ipv4()
            && differs.checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::Subnet;

    #[test]
    fn ranges_of_addresses() {
        for (range, address, expected) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "::1", false),
            ("fd00::/8", "fd12::1", true),
            ("::/0", "fd12::1", true),
        ] {
            let range = Subnet::parse(range).unwrap();
            assert_eq!(range.contains(address.parse().unwrap()), expected, "{range:?} {address}");
        }
        for wrong in ["", "10.0.0.0/33", "a/8", "10.0.0/8", "::/129"] {
            assert_eq!(Subnet::parse(wrong), None, "{wrong}");
        }
    }
}
