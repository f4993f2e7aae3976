//! What each target says that it runs.

use crate::prelude::*;
use api::TargetStatus;
use api::state::{Target, TargetState};

use crate::store::use_store;
use crate::{clock, words};

/// A chip for each target.
#[component]
pub fn Targets() -> impl IntoView {
    let head = use_store().head;
    view! {
        <div class="targets" role="group" aria-label="Targets">
            {move || {
                let number = head.number();
                head.targets
                    .get()
                    .into_iter()
                    .map(|status| {
                        let (tone, text) = words_of(&status.state, number);
                        let text = match status.state {
                            TargetState::Unreachable { since } => format!("{text} since {}", clock::time(since)),
                            _ => text,
                        };
                        view! {
                            <span class="chip" title=why(&status)>
                                <span class=format!("dot {tone}")></span>
                                <span class="wide">{name(status.target)}</span>
                                <b>{text}</b>
                            </span>
                        }
                    })
                    .collect_view()
            }}
        </div>
    }
}

fn name(target: Target) -> &'static str {
    match target {
        Target::Proxy => "built-in proxy",
        Target::Envoy => "Envoy",
        Target::Cluster => "cluster",
    }
}

fn why(status: &TargetStatus) -> String {
    match &status.state {
        TargetState::Rejected { why, .. } => format!("{}: {why}", name(status.target)),
        _ => name(status.target).to_owned(),
    }
}

/// Tone and words of a state, beside the head revision.
fn words_of(state: &TargetState, head: u64) -> (&'static str, String) {
    match state {
        TargetState::Pending { revision } => ("busy", format!("rev {revision} on its way")),
        TargetState::Applied { revision, millis, .. } => {
            let tone = if *revision == head { "ok" } else { "warn" };
            (tone, format!("rev {revision} · {}", words::latency(Some(*millis))))
        }
        TargetState::Rejected { revision, .. } => ("bad", format!("rejected rev {revision}")),
        TargetState::Unreachable { .. } => ("bad", "unreachable".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_in_words() {
        for (state, expected) in [
            (TargetState::Pending { revision: 3 }, ("busy", "rev 3 on its way")),
            (TargetState::Applied { revision: 3, at: 0, millis: 1.12 }, ("ok", "rev 3 · 1.1 ms")),
            (TargetState::Applied { revision: 2, at: 0, millis: 40.0 }, ("warn", "rev 2 · 40 ms")),
            (TargetState::Rejected { revision: 3, why: String::new() }, ("bad", "rejected rev 3")),
            (TargetState::Unreachable { since: 0 }, ("bad", "unreachable")),
        ] {
            assert_eq!(words_of(&state, 3), (expected.0, expected.1.to_owned()));
        }
    }
}
