//! The revision that the program starts with: the newest of the log that can be run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use api::RevisionInfo;
use api::revision::Edits;
use api::state::SetAside;
use mesh::{Edit, Inventory, Settings, Sources};

use super::ServeError;
use crate::analysis::{Analysis, Plans};
use crate::clock::now_millis;
use crate::control::{Head, OWN};
use crate::sample;
use crate::store::{Revision, Store, StoreError};
use crate::work::said;

/// Revisions that are tried, from the newest back.
const TRIES: u64 = 100;

/// What an origin has, for a new log.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// What the origin is called in sentences.
    pub(super) origin: String,
    /// Its text.
    pub(super) sources: Sources,
}

/// What the program starts with.
#[derive(Debug)]
pub(super) struct First {
    /// The newest revision.
    pub(super) head: Head,
    /// What could not be run, if anything.
    pub(super) set_aside: Option<SetAside>,
}

/// The newest revision of the log; of a new log the first, which is made here.
///
/// One that cannot be run (an older version may have stored it) is set aside: a new revision has the text of the last one that can.
pub(super) async fn first(
    store: &Store,
    origin: Option<Found>,
    inventory: &Arc<Inventory>,
    settings: &Settings,
) -> Result<First, ServeError> {
    let (store, inventory, settings) = (store.clone(), Arc::clone(inventory), settings.clone());
    let compile = move |sources: &Arc<Sources>, number: u64| {
        let analysis = Analysis::with(Arc::clone(sources), Arc::clone(&inventory), &settings);
        let plans = analysis.plans(number).map_err(|error| error.to_string())?;
        Ok((analysis, plans))
    };
    let done = tokio::task::spawn_blocking(move || run_newest(&store, origin.as_ref(), compile)).await;
    done.unwrap_or_else(|error| Err(ServeError::NoneRuns(error.to_string())))
}

fn run_newest(
    store: &Store,
    origin: Option<&Found>,
    compile: impl Fn(&Arc<Sources>, u64) -> Result<(Analysis, Plans), String>,
) -> Result<First, ServeError> {
    let compile = |sources: &Arc<Sources>, number: u64| {
        catch_unwind(AssertUnwindSafe(|| compile(sources, number)))
            .unwrap_or_else(|panic| Err(format!("internal error: {}", said(&*panic))))
    };
    let newest = match store.head()? {
        Some(newest) => newest,
        None => make_first(store, origin)?,
    };
    let number = newest.info.number;
    let why = match compile(&newest.sources, number) {
        Ok((analysis, plans)) => {
            return Ok(First { head: head(newest.info, analysis, plans), set_aside: None });
        }
        Err(why) => why,
    };
    tracing::error!(revision = number, why, "the newest revision cannot be run");
    let next = number + 1;
    for runs in (1..number).rev().take(usize::try_from(TRIES).unwrap_or(usize::MAX)) {
        let Some(good) = store.get(runs)? else { continue };
        match compile(&good.sources, next) {
            Ok((analysis, plans)) => {
                let set_aside = SetAside { revision: number, runs, why };
                tracing::error!("{set_aside}");
                let info = append(store, &newest, good.sources, &set_aside)?;
                return Ok(First { head: head(info, analysis, plans), set_aside: Some(set_aside) });
            }
            Err(why) => tracing::error!(revision = runs, why, "this revision cannot be run either"),
        }
    }
    Err(ServeError::NoneRuns(format!("the newest is {number}, and {why}")))
}

fn head(info: RevisionInfo, analysis: Analysis, plans: Plans) -> Head {
    Head { info, analysis: Arc::new(analysis), plans: Arc::new(plans) }
}

/// Puts the text of a revision that can be run behind one that cannot.
fn append(
    store: &Store,
    bad: &Revision,
    sources: Arc<Sources>,
    set_aside: &SetAside,
) -> Result<RevisionInfo, StoreError> {
    let edits = [Edit::SetFiles { files: mesh::diff::files(&bad.sources, &sources) }];
    let inverse = vec![Edit::SetFiles { files: mesh::diff::files(&sources, &bad.sources) }];
    let info = RevisionInfo {
        number: bad.info.number + 1,
        author: OWN.to_owned(),
        at: now_millis(),
        summary: set_aside.to_string(),
        edits: edits.as_slice().into(),
        reverts: Some(bad.info.number),
    };
    store.append(&Revision { info: info.clone(), inverse, sources })?;
    Ok(info)
}

fn make_first(store: &Store, origin: Option<&Found>) -> Result<Revision, StoreError> {
    let (sources, summary) = match origin {
        Some(found) => (found.sources.clone(), format!("read from {}", found.origin)),
        None => (sample::mesh(), "the sample mesh".to_owned()),
    };
    let info = RevisionInfo {
        number: 1,
        author: OWN.to_owned(),
        at: now_millis(),
        summary,
        edits: Edits::default(),
        reverts: None,
    };
    let first = Revision { info, inverse: Vec::new(), sources: Arc::new(sources) };
    store.append(&first)?;
    if origin.is_some() {
        store.set_baseline(&first.sources)?;
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of revisions that each have this text.
    fn log(texts: &[&str]) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        for (number, text) in (1..).zip(texts) {
            let info = RevisionInfo {
                number,
                author: "ada".to_owned(),
                at: 0,
                summary: String::new(),
                edits: Edits::default(),
                reverts: None,
            };
            let sources = Arc::new(Sources::single("a.yaml", *text));
            store.append(&Revision { info, inverse: Vec::new(), sources }).unwrap();
        }
        (folder, store)
    }

    /// Compiles, unless a text says otherwise.
    fn compile(sources: &Arc<Sources>, _: u64) -> Result<(Analysis, Plans), String> {
        match sources.0["a.yaml"].as_str() {
            "# panics" => panic!("a poison"),
            "# too large" => Err("it is too large".to_owned()),
            _ => Ok((Analysis::read(Arc::clone(sources), &Settings::default()), Plans::default())),
        }
    }

    #[test]
    fn the_newest_that_can_be_run_is_what_runs() {
        let good = log(&["# one", "# two"]).1;
        let first = run_newest(&good, None, compile).unwrap();
        assert_eq!((first.head.info.number, first.set_aside), (2, None));

        for (bad, said) in [("# panics", "a poison"), ("# too large", "it is too large")] {
            let (_folder, store) = log(&["# one", "# two", bad, bad]);
            let first = run_newest(&store, None, compile).unwrap();
            assert_eq!(first.head.info.number, 5);
            assert_eq!(first.head.analysis.sources.0["a.yaml"], "# two");
            let aside = first.set_aside.unwrap();
            assert_eq!((aside.revision, aside.runs), (4, 2));
            assert!(aside.why.contains(said), "{}", aside.why);
            // It is in the log, and the next start has nothing to say.
            let kept = store.head().unwrap().unwrap();
            assert_eq!((kept.info.number, kept.info.reverts), (5, Some(4)));
            assert_eq!(kept.sources.0["a.yaml"], "# two");
            assert_eq!(run_newest(&store, None, compile).unwrap().set_aside, None);
        }

        let (_folder, store) = log(&["# panics", "# too large"]);
        let error = run_newest(&store, None, compile).unwrap_err().to_string();
        assert!(error.contains("the newest is 2, and it is too large"), "{error}");
    }
}
