//! Flags of mesh settings, for all commands that compile a mesh.

mod networks;

use std::time::Duration;

use mesh::resource::DurationString;
use mesh::{DefaultBalancer, PathNormalization, Settings};

pub use networks::{Networks, NoNetwork};

/// What the operator says of the mesh's defaults. What he leaves out is the sample's own for the sample, and Istio's for any other mesh.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SettingsArgs {
    /// Timeout of requests on routes that set none, as in 15s or 500ms; 0s is no limit. Unless given, 15s for the sample mesh, and no
    /// limit for any other, as Istio has it.
    #[arg(long, value_name = "DURATION", env = "MESHWRIGHT_REQUEST_TIMEOUT", value_parser = duration)]
    pub request_timeout: Option<Duration>,
    /// Algorithm of clusters whose policy names none. Unless given, ROUND_ROBIN for the sample mesh, and LEAST_REQUEST for any other,
    /// as Istio has it.
    #[arg(long, value_enum, ignore_case = true, env = "MESHWRIGHT_LOAD_BALANCER")]
    pub load_balancer: Option<Algorithm>,
    /// What is resolved of a path before rules compare it and before it is forwarded. Unless given BASE, as Istio has it.
    #[arg(long, value_enum, value_name = "LEVEL", ignore_case = true, env = "MESHWRIGHT_PATH_NORMALIZATION")]
    pub path_normalization: Option<Level>,
    /// Addresses of your own clients in front of a gateway, as networks or single addresses parted by commas
    /// (`10.0.0.0/8,192.168.1.7`). Their requests may set timeouts and retries with x-envoy headers; from everybody else these
    /// headers are taken off. A request with an x-forwarded-for header is nobody's own. Nobody's unless given.
    #[arg(
        long,
        value_name = "CIDR,…",
        default_value = "",
        hide_default_value = true,
        env = "MESHWRIGHT_INTERNAL_ADDRESSES"
    )]
    pub internal_addresses: Networks,
}

/// Algorithms that can be a mesh's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Algorithm {
    /// The endpoint with fewer requests of two that are drawn.
    #[value(name = "LEAST_REQUEST")]
    LeastRequest,
    /// One after the other.
    #[value(name = "ROUND_ROBIN")]
    RoundRobin,
}

/// How much of a path is resolved: `pathNormalization` of Istio's mesh configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Level {
    /// Nothing.
    #[value(name = "NONE")]
    None,
    /// Dot segments, backslashes and escapes of unreserved characters.
    #[value(name = "BASE")]
    Base,
    /// Several slashes in a row, too.
    #[value(name = "MERGE_SLASHES")]
    MergeSlashes,
    /// Escaped slashes and backslashes, too.
    #[value(name = "DECODE_AND_MERGE_SLASHES")]
    DecodeAndMergeSlashes,
}

impl From<Level> for PathNormalization {
    fn from(level: Level) -> Self {
        match level {
            Level::None => Self::None,
            Level::Base => Self::Base,
            Level::MergeSlashes => Self::MergeSlashes,
            Level::DecodeAndMergeSlashes => Self::DecodeAndMergeSlashes,
        }
    }
}

impl SettingsArgs {
    /// Settings of a mesh of the operator's own: Istio's, but for what the flags say.
    pub fn of_mesh(&self) -> Settings {
        self.over(Settings::default())
    }

    /// Settings of the sample.
    pub fn of_sample(&self) -> Settings {
        self.over(Settings::sample())
    }

    /// Other settings, but for what the flags say.
    pub fn over(&self, mut settings: Settings) -> Settings {
        if let Some(timeout) = self.request_timeout {
            settings.request_timeout_millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        }
        match self.load_balancer {
            None => {}
            Some(Algorithm::LeastRequest) => settings.load_balancer = DefaultBalancer::LeastRequest,
            Some(Algorithm::RoundRobin) => settings.load_balancer = DefaultBalancer::RoundRobin,
        }
        if let Some(level) = self.path_normalization {
            settings.path_normalization = level.into();
        }
        settings.internal_addresses.clone_from(&self.internal_addresses.0);
        settings
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration; it is written as 15s, 500ms or 1m, and 0s is no limit");
    DurationString(text.to_owned()).parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        settings: SettingsArgs,
    }

    fn said(args: &[&str]) -> SettingsArgs {
        Command::try_parse_from([&["meshwright"], args].concat()).unwrap().settings
    }

    #[test]
    fn flags_stand_over_the_defaults() {
        let figures = |settings: Settings| (settings.request_timeout_millis, settings.load_balancer.name());
        let none = said(&[]);
        assert_eq!(figures(none.of_mesh()), (0, "LEAST_REQUEST"));
        assert_eq!(figures(none.of_sample()), (15_000, "ROUND_ROBIN"));
        let all = said(&["--request-timeout", "1.5s", "--load-balancer", "round_robin"]);
        assert_eq!(figures(all.of_mesh()), (1_500, "ROUND_ROBIN"));
        assert_eq!(figures(said(&["--request-timeout", "0s"]).of_sample()), (0, "ROUND_ROBIN"));
        assert!(Command::try_parse_from(["meshwright", "--request-timeout", "soon"]).is_err());
        let level = |args: &[&str]| said(args).of_mesh().path_normalization;
        assert_eq!(level(&[]), PathNormalization::Base);
        assert_eq!(level(&["--path-normalization", "merge_slashes"]), PathNormalization::MergeSlashes);
        assert_eq!(none.of_mesh().internal_addresses, []);
        let named = said(&["--internal-addresses", "10.0.0.0/8,192.168.1.7"]);
        assert_eq!(named.of_sample().internal_addresses.len(), 2);
    }
}
