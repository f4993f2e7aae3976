use std::fs;
use std::io::Write as _;

use super::*;

/// Nothing that is looked for takes so long.
const LONG: Duration = Duration::from_secs(20);

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), "a: 1\n").unwrap();
    folder
}

fn watch(folder: &Path) -> Watch {
    Watch::new(vec![folder.to_owned()])
}

async fn changes(watch: &mut Watch) -> Duration {
    let start = Instant::now();
    timeout(LONG, watch.changed()).await.expect("a change is seen");
    start.elapsed()
}

/// Whether nothing is seen for longer than a look takes.
async fn still(watch: &mut Watch) -> bool {
    timeout(SELDOM + LOOK * 2, watch.changed()).await.is_err()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_change_is_seen_at_once() {
    let folder = folder();
    let mut watch = watch(folder.path());
    let mut times = Vec::new();
    for round in 0..9 {
        match round % 3 {
            0 => fs::write(folder.path().join("a.yaml"), format!("a: {round}\n")).unwrap(),
            1 => {
                let temporary = folder.path().join(".a.yaml.tmp");
                fs::write(&temporary, format!("a: {round}\n")).unwrap();
                fs::rename(temporary, folder.path().join("a.yaml")).unwrap();
            }
            _ => {
                // A folder that is new, with a file that is written in it afterwards.
                let new = folder.path().join(format!("new-{round}"));
                fs::create_dir(&new).unwrap();
                fs::write(new.join("b.yaml"), "b: 1\n").unwrap();
            }
        }
        times.push(changes(&mut watch).await);
    }
    times.sort();
    println!("seen after {times:?}");
    assert!(times[times.len() / 2] < Duration::from_millis(100), "{times:?}");
}

#[tokio::test]
async fn what_changed_before_it_is_asked_is_seen() {
    let folder = folder();
    let mut watch = watch(folder.path());
    fs::write(folder.path().join("a.yaml"), "a: 22\n").unwrap();
    changes(&mut watch).await;
    fs::create_dir(folder.path().join("deep")).unwrap();
    fs::write(folder.path().join("deep/b.yaml"), "b: 1\n").unwrap();
    changes(&mut watch).await;
    fs::remove_file(folder.path().join("a.yaml")).unwrap();
    changes(&mut watch).await;
}

#[tokio::test]
async fn what_is_no_change_is_none() {
    let folder = folder();
    let mut watch = watch(folder.path());
    fs::write(folder.path().join("readme.md"), "no mesh").unwrap();
    fs::write(folder.path().join(".a.yaml.swp"), "no mesh").unwrap();
    fs::read_to_string(folder.path().join("a.yaml")).unwrap();
    assert!(still(&mut watch).await);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_that_is_being_written_is_waited_for() {
    let folder = folder();
    let mut watch = watch(folder.path());
    let mut file = fs::File::create(folder.path().join("a.yaml")).unwrap();
    let writing = async {
        for _ in 0..5 {
            sleep(QUIET * 3).await;
            file.write_all(b"# more\n").unwrap();
        }
        drop(file);
        fs::metadata(folder.path().join("a.yaml")).unwrap().len()
    };
    let seen = async {
        changes(&mut watch).await;
        fs::metadata(folder.path().join("a.yaml")).unwrap().len()
    };
    let (whole, seen) = tokio::join!(writing, seen);
    assert_eq!(seen, whole, "half of it was taken");
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_followed_to_where_they_lead() {
    use std::os::unix::fs::symlink;

    // As Kubernetes mounts a ConfigMap.
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (version, text) in [("..1", "a: 1\n"), ("..2", "a: 2\n")] {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("a.yaml"), text).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/a.yaml", at("a.yaml")).unwrap();
    let mut watch = watch(folder.path());
    symlink("..2", at("..data_tmp")).unwrap();
    fs::rename(at("..data_tmp"), at("..data")).unwrap();
    changes(&mut watch).await;
    fs::write(at("..2").join("a.yaml"), "a: 33\n").unwrap();
    changes(&mut watch).await;
}

#[tokio::test]
async fn without_notifications_it_is_looked() {
    let folder = folder();
    let mut watch = watch(folder.path());
    watch.watcher = None;
    // Its end is told, too.
    watch.heard = Arc::default();
    fs::write(folder.path().join("a.yaml"), "a: 22\n").unwrap();
    let took = changes(&mut watch).await;
    assert!(took >= LOOK, "two looks agree: {took:?}");
}
