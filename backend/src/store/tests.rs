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
        sources: Arc::new(files.iter().copied().collect()),
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
    assert_eq!(store.baseline().unwrap(), Sources::default());
    for files in [[("a.yaml", "1"), ("b.yaml", "2")].as_slice(), &[("b.yaml", "3")]] {
        let sources: Sources = files.iter().copied().collect();
        store.set_baseline(&sources).unwrap();
        assert_eq!(store.baseline().unwrap(), sources);
    }
}

/// A disk that may be full.
#[derive(Debug, Clone, Default)]
struct Disk {
    bytes: Arc<std::sync::Mutex<Vec<u8>>>,
    full: Arc<std::sync::atomic::AtomicBool>,
}

impl Disk {
    fn is_full(&self, full: bool) {
        self.full.store(full, Relaxed);
    }

    fn room(&self) -> io::Result<()> {
        if self.full.load(Relaxed) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl redb::StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.bytes.lock().unwrap()[offset..offset + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.bytes.lock().unwrap().resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.room()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.room()?;
        let offset = usize::try_from(offset).unwrap();
        self.bytes.lock().unwrap()[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }
}

#[test]
fn a_full_disk_refuses_edits_as_long_as_it_is_full_and_no_longer() {
    let disk = Disk::default();
    let device = disk.clone();
    let store = Store::opened_by(move || {
        let database = Database::builder().create_with_backend(device.clone());
        database.map_err(|error| redb::Error::from(error).into())
    })
    .unwrap();
    store.append(&revision(1, &[("a.yaml", "1")])).unwrap();
    for round in 0..3 {
        disk.is_full(true);
        for _ in 0..2 {
            let refused = store.append(&revision(round + 2, &[("a.yaml", "refused")]));
            assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
        }
        disk.is_full(false);
        assert_eq!(store.head().unwrap().unwrap().info.number, round + 1);
        let next = revision(round + 2, &[("a.yaml", &format!("{round}"))]);
        store.append(&next).unwrap();
        assert_eq!(store.head().unwrap(), Some(next));
    }
    assert_eq!(store.history(None, 9).unwrap().len(), 4);
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_log() {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let dir = tempfile::tempdir().unwrap();
    let (new, old, shared) = (dir.path().join("a/b"), dir.path().join("old"), dir.path().join("shared"));
    drop(Store::open(&new).unwrap());
    assert_eq!((mode(&new), mode(&new.join(FILE))), (0o700, 0o600));
    // As earlier versions left it.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(&old).unwrap();
    fs::rename(new.join(FILE), old.join(FILE)).unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(old.join(FILE), fs::Permissions::from_mode(0o644)).unwrap();
    drop(Store::open(&old).unwrap());
    assert_eq!((mode(&old), mode(&old.join(FILE))), (0o700, 0o600));
    // A folder with other things in it is somebody's, and stays as it is.
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(shared.join("other"), "").unwrap();
    drop(Store::open(&shared).unwrap());
    assert_eq!((mode(&shared), mode(&shared.join(FILE))), (0o755, 0o600));
}

/// A log of ten revisions with two files each, one of them of many pages.
fn log(folder: &Path) -> Vec<Revision> {
    let store = Store::open(folder).unwrap();
    (1..=10)
        .map(|number| {
            let large = format!("# {number}\n").repeat(4000);
            let revision = revision(number, &[("a.yaml", &format!("a: {number}\n")), ("large.yaml", &large)]);
            store.append(&revision).unwrap();
            revision
        })
        .collect()
}

#[test]
fn all_of_a_log_can_be_read_without_what_leads_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let expected = log(dir.path());
    let path = dir.path().join(FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    // Its header, without which redb finds nothing.
    bytes[..512].fill(0xaa);
    std::fs::write(&path, bytes).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(
        matches!(&error, StoreError::Damaged { saved, .. } if *saved == (1..=10).collect::<Vec<_>>()),
        "{error:?}"
    );
    let said = error.to_string();
    for part in [path.to_str().unwrap(), "10 is the newest", "meshwright export --data", "move"] {
        assert!(said.contains(part), "{said}");
    }
    let salvage = Salvage::of(dir.path()).unwrap();
    for revision in expected {
        assert_eq!(salvage.revision(revision.info.number), Some(revision));
    }
}

#[test]
fn a_damaged_log_is_said_and_never_misread() {
    let dir = tempfile::tempdir().unwrap();
    let expected = log(dir.path());
    let path = dir.path().join(FILE);
    let whole = std::fs::read(&path).unwrap();
    let (mut said, mut read) = (0, 0);
    for round in 0..60 {
        let mut bytes = whole.clone();
        // Every part of the file is hit once.
        let at = bytes.len() * round / 60;
        if round % 3 == 0 {
            bytes.truncate(at);
        } else {
            let end = bytes.len().min(at + 16);
            bytes[at..end].iter_mut().for_each(|byte| *byte ^= 0x5a);
        }
        std::fs::write(&path, bytes).unwrap();
        match Store::open(dir.path()) {
            // What was hit is of no page that is in use, or of one that only an older revision needs.
            Ok(store) => {
                read += 1;
                for revision in &expected {
                    if let Ok(found) = store.get(revision.info.number) {
                        assert!(round == 0 || found.as_ref() == Some(revision), "round {round}");
                    }
                }
            }
            Err(StoreError::Damaged { saved, .. }) => {
                said += 1;
                let salvage = Salvage::of(dir.path()).unwrap();
                for number in saved {
                    let revision = &expected[usize::try_from(number).unwrap() - 1];
                    assert_eq!(salvage.revision(number).as_ref(), Some(revision), "round {round}");
                }
            }
            Err(other) => panic!("round {round}: {other:?}"),
        }
    }
    assert!(said > 10 && read > 0, "{said} damaged, {read} read");
}
