//! Flags of mesh settings, for all commands that compile a mesh.

use std::time::Duration;

use mesh::resource::DurationString;
use mesh::{DefaultBalancer, Settings};

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

impl SettingsArgs {
    /// Settings of a mesh of the operator's own: Istio's, but for what the flags say.
    pub fn of_mesh(&self) -> Settings {
        self.over(Settings::default())
    }

    /// Settings of the sample.
    pub fn of_sample(&self) -> Settings {
        self.over(Settings::sample())
    }

    fn over(&self, mut settings: Settings) -> Settings {
        if let Some(timeout) = self.request_timeout {
            settings.request_timeout_millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        }
        match self.load_balancer {
            None => {}
            Some(Algorithm::LeastRequest) => settings.load_balancer = DefaultBalancer::LeastRequest,
            Some(Algorithm::RoundRobin) => settings.load_balancer = DefaultBalancer::RoundRobin,
        }
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
    }
}
