//! What a change leads to, decided: a revision to store, or a refusal. Nothing is done here.

use std::sync::Arc;
use std::time::Duration;

use api::RevisionInfo;
use mesh::{Diagnostic, Edit, Inventory, Severity};

use crate::analysis::{self, Analysis, EditError, Plans};
use crate::store::Revision;
use crate::targets::Unchecked;

/// Author of the program's own revisions.
pub const OWN: &str = "meshwright";

/// Longest name of an author, in characters.
const AUTHOR: usize = 80;

/// How long a change may take until it is stored. Within the time that a request has, so that nothing is stored of which people
/// were told that it failed.
pub(super) const LONGEST: Duration = Duration::from_secs(25);

/// The newest revision, with its text as it was understood.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its description.
    pub info: RevisionInfo,
    /// Its text.
    pub analysis: Arc<Analysis>,
    /// What it is compiled into, which the next shares most of.
    pub plans: Arc<Plans>,
}

impl Head {
    /// Refuses what was made on another revision.
    pub fn expect(&self, base: u64) -> Result<(), Refusal> {
        let head = self.info.number;
        if base == head { Ok(()) } else { Err(Refusal::Stale { base, head }) }
    }
}

/// A change that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ChangeRequest {
    /// The revision that it was made on.
    pub base: u64,
    /// Who asks; `anonymous` unless given.
    pub author: Option<String>,
    /// The edits.
    pub edits: Vec<Edit>,
    /// The revision that it takes back.
    pub reverts: Option<u64>,
    /// What the log calls it; what the edits do unless given.
    pub summary: Option<String>,
    /// It is so already, whatever is to be said about it.
    pub is_fact: bool,
}

/// Why a change is not made.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Someone was faster.
    #[error(
        "revision {base} is no longer the newest: {head} is. Review what changed and make the edit again"
    )]
    Stale {
        /// The revision that it was made on.
        base: u64,
        /// The newest.
        head: u64,
    },
    /// The result has errors that were not there before.
    #[error("the result would have {} that {} not there before", count(.0.len()), if .0.len() == 1 { "was" } else { "were" })]
    Invalid(Vec<Diagnostic>),
    /// A target would not take it.
    #[error("the cluster refuses it, so nothing was changed")]
    Refused(Vec<Diagnostic>),
    /// Someone changed the same in the cluster.
    #[error("{0}; nothing was changed. Review what changed and make the edit again")]
    Conflict(String),
    /// A target that has to be asked does not answer.
    #[error("the cluster cannot be asked, so nothing was changed: {0}")]
    Unreachable(String),
    /// An edit does not fit the text.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// A revision cannot be taken back.
    #[error(transparent)]
    Revert(#[from] mesh::revert::RevertError),
    /// There is no such revision.
    #[error("there is no revision {0}")]
    NoRevision(u64),
    /// Nothing is proposed.
    #[error("the folder on disk has no changes to apply")]
    NoProposal,
    /// It is more than it may be.
    #[error(transparent)]
    Limit(#[from] mesh::limits::Exceeded),
    /// The model failed on it, or had no time for it.
    #[error("{0}; nothing was changed")]
    Work(#[from] crate::work::WorkError),
    /// It took so long that whoever asked has been told that it failed.
    #[error("it took longer than {} s, so nothing was changed: make the change in smaller steps", LONGEST.as_secs())]
    TooLong,
    /// The log failed.
    #[error("the revision could not be stored, so nothing was changed")]
    Store(#[from] crate::store::StoreError),
    /// The program ends.
    #[error("the server is shutting down")]
    Down,
}

impl From<Unchecked> for Refusal {
    fn from(unchecked: Unchecked) -> Self {
        match unchecked {
            Unchecked::Refused(diagnostics) => Self::Refused(diagnostics),
            Unchecked::Conflict(why) => Self::Conflict(why),
            Unchecked::Unreachable(why) => Self::Unreachable(why),
        }
    }
}

fn count(errors: usize) -> String {
    if errors == 1 { "an error".to_owned() } else { format!("{errors} errors") }
}

/// A revision that can be stored, its text as it was understood, and what it is compiled into.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    /// What the log gets.
    pub revision: Revision,
    /// Its text.
    pub analysis: Arc<Analysis>,
    /// Its plans.
    pub plans: Arc<Plans>,
}

/// Decides on a change at `at` (milliseconds since 1970). `None`: it changes nothing. What cannot be compiled is refused, so no log
/// has a revision that cannot be run.
pub(super) fn prepare(head: &Head, request: ChangeRequest, at: i64) -> Result<Option<Prepared>, Refusal> {
    let number = head.info.number;
    head.expect(request.base)?;
    let changed = analysis::apply(&head.analysis, &request.edits)?;
    let next = changed.analysis;
    if next.sources == head.analysis.sources {
        return Ok(None);
    }
    let errors = next.new_problems(&head.analysis).filter(|it| it.severity == Severity::Error);
    let errors: Vec<_> = errors.cloned().collect();
    if !errors.is_empty() && !request.is_fact {
        return Err(Refusal::Invalid(errors));
    }
    let plans = Arc::new(next.plans_after(number + 1, &head.analysis, &head.plans)?);
    let info = RevisionInfo {
        number: number + 1,
        author: author(request.author.as_deref()),
        at,
        summary: request.summary.unwrap_or(changed.summary),
        edits: request.edits.as_slice().into(),
        reverts: request.reverts,
    };
    let revision = Revision { info, inverse: changed.inverse, sources: Arc::clone(&next.sources) };
    Ok(Some(Prepared { revision, analysis: Arc::new(next), plans }))
}

/// The newest revision beside what runs now.
pub(super) fn observe(head: &Head, inventory: Arc<Inventory>) -> Result<Head, Refusal> {
    let analysis = head.analysis.observed(inventory);
    let plans = analysis.plans_after(head.info.number, &head.analysis, &head.plans)?;
    Ok(Head { info: head.info.clone(), analysis: Arc::new(analysis), plans: Arc::new(plans) })
}

fn author(given: Option<&str>) -> String {
    let name: String = given.unwrap_or_default().chars().filter(|c| !c.is_control()).take(AUTHOR).collect();
    let name = name.trim();
    if name.is_empty() { "anonymous".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use mesh::{Settings, Sources};

    use super::*;

    const GOOD: &str =
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata:\n  name: in\nspec:\n  servers: []\n";

    fn head(text: &str) -> Head {
        let info = RevisionInfo {
            number: 7,
            author: "ada".to_owned(),
            at: 0,
            summary: String::new(),
            edits: api::revision::Edits::default(),
            reverts: None,
        };
        let analysis = Arc::new(Analysis::read(Sources::single("a.yaml", text), &Settings::default()));
        Head { info, plans: Arc::new(analysis.plans(7).unwrap()), analysis }
    }

    fn request(base: u64, author: &str, text: &str) -> ChangeRequest {
        ChangeRequest {
            base,
            author: Some(author.to_owned()),
            edits: vec![Edit::SetFiles { files: vec![("a.yaml".to_owned(), Some(text.to_owned()))] }],
            reverts: None,
            summary: None,
            is_fact: false,
        }
    }

    #[test]
    fn a_change_becomes_the_next_revision() {
        let text = format!("# a comment\n{GOOD}");
        let prepared = prepare(&head(GOOD), request(7, " bea\n", &text), 42).unwrap().unwrap();
        let Revision { info, inverse, sources } = prepared.revision;
        assert_eq!((info.number, info.author.as_str(), info.at), (8, "bea", 42));
        assert_eq!(*sources, Sources::single("a.yaml", &text));
        let changed = Analysis::read(sources, &Settings::default());
        let back = analysis::apply(&changed, &inverse).unwrap().analysis.sources;
        assert_eq!(*back, Sources::single("a.yaml", GOOD));
    }

    #[test]
    fn a_stale_base_is_refused_whatever_the_edit_says() {
        for base in [0, 6, 8] {
            let refused = prepare(&head(GOOD), request(base, "", GOOD), 0);
            assert!(matches!(refused, Err(Refusal::Stale { head: 7, .. })), "{base}: {refused:?}");
        }
    }

    #[test]
    fn what_changes_nothing_is_no_revision() {
        assert!(prepare(&head(GOOD), request(7, "", GOOD), 0).unwrap().is_none());
    }

    #[test]
    fn errors_are_refused_unless_they_were_there_before() {
        let broken = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: [\n";
        let refused = prepare(&head(GOOD), request(7, "", broken), 0);
        assert!(matches!(&refused, Err(Refusal::Invalid(errors)) if !errors.is_empty()), "{refused:?}");
        let moved = format!("# one line down\n{broken}");
        let accepted = prepare(&head(broken), request(7, "", &moved), 0);
        assert!(accepted.is_ok(), "{accepted:?}");
    }
}
