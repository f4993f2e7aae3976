use super::*;

fn revision(number: u64, files: &[(&str, &str)]) -> Revision {
    Revision {
        info: RevisionInfo {
            number,
            author: "ada".to_owned(),
            at: 1_700_000_000_000,
            summary: format!("change {number}"),
            edits: api::revision::Edits::default(),
            reverts: None,
        },
        inverse: vec![Edit::SetFiles { files: vec![("a.yaml".to_owned(), None)] }],
        sources: files.iter().copied().collect(),
    }
}

#[test]
fn a_revision_reads_back_as_it_was_appended_also_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let first = revision(1, &[("a.yaml", "a: 1\n"), ("b/c.yaml", "")]);
    let second = revision(2, &[("a.yaml", "a: 2 # ü\n"), ("b/c.yaml", "")]);
    {
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.head().unwrap(), None);
        store.append(&first).unwrap();
        store.append(&second).unwrap();
    }
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.head().unwrap().as_ref(), Some(&second));
    assert_eq!(store.get(1).unwrap().as_ref(), Some(&first));
    assert_eq!(store.get(3).unwrap(), None);
}

#[test]
fn history_is_paged_from_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    for number in 1..=5 {
        store.append(&revision(number, &[("a.yaml", "same")])).unwrap();
    }
    let cases: [(Option<u64>, usize, &[u64]); 5] =
        [(None, 2, &[5, 4]), (Some(4), 2, &[3, 2]), (Some(2), 9, &[1]), (Some(1), 9, &[]), (None, 0, &[])];
    for (before, limit, expected) in cases {
        let numbers: Vec<u64> =
            store.history(before, limit).unwrap().iter().map(|info| info.number).collect();
        assert_eq!(numbers, expected, "before {before:?}, limit {limit}");
    }
}

#[test]
fn revisions_come_in_order_without_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    for (number, fits) in [(2, false), (1, true), (1, false), (3, false), (2, true)] {
        let appended = store.append(&revision(number, &[]));
        assert_eq!(appended.is_ok(), fits, "revision {number}: {appended:?}");
    }
}

#[test]
fn a_second_program_on_the_same_folder_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Store::open(folder.path()).unwrap();
    let second = Store::open(folder.path());
    assert!(matches!(second, Err(StoreError::InUse(_))), "{second:?}");
}

#[test]
fn the_content_of_the_folder_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.folder().unwrap(), Sources::default());
    for files in [[("a.yaml", "1"), ("b.yaml", "2")].as_slice(), &[("b.yaml", "3")]] {
        let sources: Sources = files.iter().copied().collect();
        store.set_folder(&sources).unwrap();
        assert_eq!(store.folder().unwrap(), sources);
    }
}
