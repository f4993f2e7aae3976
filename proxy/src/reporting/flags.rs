//! Response flags: what went wrong with a request, in Envoy's abbreviations.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

use crate::reporting::distribution::Answers;

/// A set of flags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flags(u16);

/// Names, by the position of their bit.
const NAMES: [&str; Flags::COUNT] =
    ["DI", "FI", "UH", "UF", "UO", "UC", "UT", "NR", "NC", "URX", "DC", "UR", "UPE", "SI"];

impl Flags {
    /// How many there are.
    pub(crate) const COUNT: usize = 14;
    /// A delay was injected.
    pub(crate) const DELAY: Self = Self(1);
    /// An abort was injected.
    pub(crate) const ABORT: Self = Self(1 << 1);
    /// No healthy upstream.
    pub(crate) const NO_UPSTREAM: Self = Self(1 << 2);
    /// The connection to the upstream failed.
    pub(crate) const CONNECT_FAILURE: Self = Self(1 << 3);
    /// A limit of the cluster is reached.
    pub(crate) const OVERFLOW: Self = Self(1 << 4);
    /// The connection to the upstream ended before the response had.
    pub(crate) const UPSTREAM_CLOSED: Self = Self(1 << 5);
    /// The request took too long.
    pub(crate) const TIMEOUT: Self = Self(1 << 6);
    /// No route.
    pub(crate) const NO_ROUTE: Self = Self(1 << 7);
    /// No such cluster.
    pub(crate) const NO_CLUSTER: Self = Self(1 << 8);
    /// All retries were used up.
    pub(crate) const RETRIES_EXHAUSTED: Self = Self(1 << 9);
    /// The client went away.
    pub(crate) const CLIENT_GONE: Self = Self(1 << 10);
    /// The upstream reset the stream.
    pub(crate) const UPSTREAM_RESET: Self = Self(1 << 11);
    /// What came from the upstream is not what its protocol allows.
    pub(crate) const UPSTREAM_PROTOCOL: Self = Self(1 << 12);
    /// Nothing moved for too long.
    pub(crate) const STREAM_IDLE: Self = Self(1 << 13);

    /// Not a flag: what is counted together, whatever its flags are.
    pub(crate) const ANY: Self = Self(1 << 15);

    /// Positions of the flags that are set.
    pub(crate) fn positions(self) -> impl Iterator<Item = usize> {
        (0..Self::COUNT).filter(move |position| self.0 & (1 << position) != 0)
    }

    /// Whether this one is set.
    pub(crate) const fn contains(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }

    /// None is set.
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The name of the flag at a position.
    pub(crate) fn name(position: usize) -> &'static str {
        NAMES[position]
    }
}

impl fmt::Display for Flags {
    /// As Envoy's access log has them: separated by commas, `-` for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        if *self == Self::ANY {
            return f.write_str(Answers::OTHER);
        }
        for (at, position) in self.positions().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            f.write_str(Self::name(position))?;
        }
        Ok(())
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

#[cfg(test)]
mod tests {
    use super::Flags;

    #[test]
    fn each_flag_has_its_name() {
        for (flag, name) in [
            (Flags::DELAY, "DI"),
            (Flags::ABORT, "FI"),
            (Flags::NO_UPSTREAM, "UH"),
            (Flags::CONNECT_FAILURE, "UF"),
            (Flags::OVERFLOW, "UO"),
            (Flags::UPSTREAM_CLOSED, "UC"),
            (Flags::TIMEOUT, "UT"),
            (Flags::NO_ROUTE, "NR"),
            (Flags::NO_CLUSTER, "NC"),
            (Flags::RETRIES_EXHAUSTED, "URX"),
            (Flags::CLIENT_GONE, "DC"),
            (Flags::UPSTREAM_RESET, "UR"),
            (Flags::UPSTREAM_PROTOCOL, "UPE"),
            (Flags::STREAM_IDLE, "SI"),
        ] {
            assert_eq!(flag.positions().map(Flags::name).collect::<Vec<_>>(), [name]);
        }
    }
}
