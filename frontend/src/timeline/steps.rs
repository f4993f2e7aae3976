//! The stages of an apply as the strip shows them. Pure.

use api::revision::Stage;
use api::{RevisionInfo, Timeline};

use crate::words;

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Reached.
    Done,
    /// The next one to come.
    Next,
    /// Later.
    Waiting,
}

impl Progress {
    /// The class that draws it.
    pub fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Next => "next",
            Self::Waiting => "waiting",
        }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What it is.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// How far it is.
    pub progress: Progress,
    /// When it was reached: `1.1 ms`, `3.2 s · n=384`; empty before.
    pub when: String,
}

const STAGES: [(Stage, &str, &str); 8] = [
    (Stage::Received, "edit received", "The server has the edit; the clock starts here."),
    (Stage::Validated, "validated", "Its resources are valid; a cluster was asked, too (dry run)."),
    (Stage::Stored, "stored", "The revision is on disk."),
    (Stage::Patched, "patched", "The API server has the changed objects."),
    (Stage::Watched, "watched", "The cluster's own watch has told the changed objects."),
    (
        Stage::Swapped,
        "proxies swapped",
        "All threads of the proxy run its plans, or all Envoys have what it says.",
    ),
    (Stage::FirstRequest, "first request", "The first request was routed under it."),
    (Stage::Converged, "converged", "The observed shares agree with the desired ones."),
];

/// Whether a revision may have changed shares: where it cannot, there is nothing to converge. Taking a revision back does
/// what that one did, the other way round.
pub fn splits(revision: &RevisionInfo, history: &[RevisionInfo]) -> bool {
    let taken_back = revision.reverts.filter(|number| *number < revision.number);
    if let Some(before) = taken_back.and_then(|number| history.iter().find(|one| one.number == number)) {
        return splits(before, history);
    }
    let mut kinds = revision.edits.kinds().peekable();
    kinds.peek().is_none()
        || !kinds.all(|kind| matches!(kind, "inject_fault" | "set_timeout" | "set_retries"))
}

/// The steps of a timeline; without `splits` the last one is there only once it was reached. `seen` is when this page had drawn the first traffic, in milliseconds since the slider was let
/// go; it is a step only for a change that was made here. What a cluster's own proxies do is not known, unless somebody told.
pub fn steps(timeline: &Timeline, splits: bool, seen: Option<f64>, of_cluster: bool) -> Vec<Step> {
    let mut next = true;
    let mut steps = Vec::with_capacity(7);
    for (stage, name, meaning) in STAGES {
        // What comes before a stage that was reached has been passed, even where nobody said so.
        let reached = timeline.milestones.iter().any(|other| other.stage >= stage);
        let expected = match stage {
            Stage::Converged => splits && !of_cluster,
            Stage::Patched | Stage::Watched => of_cluster,
            Stage::Swapped | Stage::FirstRequest => !of_cluster,
            Stage::Received | Stage::Validated | Stage::Stored => true,
        };
        let told = timeline.milestones.iter().any(|other| other.stage == stage);
        let of_proxies = !matches!(stage, Stage::Patched | Stage::Watched);
        let passed = reached && of_proxies && !of_cluster;
        if !(expected || told || passed) {
            continue;
        }
        let milestone = timeline.milestones.iter().find(|other| other.stage == stage);
        let when = milestone.map_or_else(String::new, |milestone| match &milestone.note {
            Some(note) => format!("{} · {note}", words::latency(Some(milestone.millis))),
            None => words::latency(Some(milestone.millis)),
        });
        let progress = match reached {
            true => Progress::Done,
            false if std::mem::take(&mut next) => Progress::Next,
            false => Progress::Waiting,
        };
        steps.push(Step { name, meaning, progress, when });
        if let (Stage::FirstRequest, Some(seen)) = (stage, seen) {
            let meaning = "This page has drawn it, counted from the moment when the control was let go.";
            steps.push(Step {
                name: "seen here",
                meaning,
                progress: Progress::Done,
                when: words::latency(Some(seen)),
            });
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use api::Milestone;
    use mesh::Edit;
    use mesh::edit::RouteTarget;

    use super::*;

    fn timeline(milestones: &[(Stage, f64, Option<&str>)]) -> Timeline {
        let milestones = milestones.iter().map(|(stage, millis, note)| Milestone {
            stage: *stage,
            millis: *millis,
            note: note.map(str::to_owned),
        });
        Timeline { revision: 42, received_at: 0, milestones: milestones.collect() }
    }

    #[test]
    fn the_next_step_is_the_first_that_was_not_reached() {
        let steps = steps(
            &timeline(&[
                (Stage::Received, 0.0, None),
                (Stage::Validated, 0.31, None),
                (Stage::Swapped, 1.14, None),
            ]),
            true,
            None,
            false,
        );
        let seen = steps.iter().map(|step| (step.progress, step.when.as_str())).collect::<Vec<_>>();
        assert_eq!(
            seen,
            [
                (Progress::Done, "0 ms"),
                (Progress::Done, "0.3 ms"),
                (Progress::Done, ""),
                (Progress::Done, "1.1 ms"),
                (Progress::Next, ""),
                (Progress::Waiting, ""),
            ]
        );
    }

    #[test]
    fn notes_stand_beside_the_time() {
        let steps = steps(&timeline(&[(Stage::Converged, 3_210.0, Some("n=384"))]), true, Some(212.4), false);
        assert_eq!(steps.last().map(|step| step.when.as_str()), Some("3.2 s · n=384"));
        assert_eq!((steps[5].name, steps[5].when.as_str()), ("seen here", "212 ms"));
        assert!(steps.iter().all(|step| step.progress == Progress::Done));
    }

    #[test]
    fn only_shares_converge() {
        let target = || RouteTarget::Service("ratings".into());
        let fault = Edit::InjectFault { target: target(), only: None, fault: None, expires_at: None };
        let weights = Edit::SetWeights { target: target(), shares: vec![] };
        let revision = |number, edits: Vec<Edit>, reverts| {
            let edits = edits.as_slice().into();
            let (author, summary) = (String::new(), String::new());
            RevisionInfo { number, author, at: 0, summary, edits, reverts }
        };
        let faulty = revision(2, vec![fault.clone()], None);
        for (revision, expected) in [
            (revision(2, vec![], None), true),
            (faulty.clone(), false),
            (revision(2, vec![fault, weights.clone()], None), true),
            (revision(2, vec![weights], None), true),
            (revision(3, vec![Edit::SetFiles { files: vec![] }], Some(2)), false),
            (revision(3, vec![Edit::SetFiles { files: vec![] }], Some(1)), true),
        ] {
            assert_eq!(splits(&revision, std::slice::from_ref(&faulty)), expected, "{revision:?}");
        }
        let received = timeline(&[(Stage::Received, 0.0, None)]);
        assert_eq!([true, false].map(|splits| steps(&received, splits, None, false).len()), [6, 5]);
    }

    #[test]
    fn a_cluster_has_steps_of_its_own() {
        let names = |stages: &[(Stage, f64, Option<&str>)]| -> Vec<&str> {
            steps(&timeline(stages), true, None, true).iter().map(|step| step.name).collect()
        };
        let written = ["edit received", "validated", "stored", "patched", "watched"];
        assert_eq!(names(&[(Stage::Received, 0.0, None)]), written);
        assert_eq!(names(&[(Stage::Watched, 9.0, None)]), written);
        assert_eq!(names(&[(Stage::FirstRequest, 9.0, None)]), [&written[..], &["first request"]].concat());
    }
}
