use super::*;

fn keys(sources: Sources) -> Vec<String> {
    sources.0.into_keys().collect()
}

#[test]
fn folders_are_read_to_their_depth() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for (path, text) in [
        ("b.yaml", "b"),
        ("a/deep/c.yml", "c"),
        ("a/list.json", "{}"),
        ("folder.yaml/in.yaml", "in"),
        ("readme.md", "no"),
        (".git/x.yaml", "no"),
        ("a/.hidden.yaml", "no"),
    ] {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(root, root.join("a/circle")).unwrap();
    let found = folder(root).unwrap();
    assert_eq!(found.unread, []);
    assert_eq!(keys(found.sources), ["a/deep/c.yml", "a/list.json", "b.yaml", "folder.yaml/in.yaml"]);

    let typed = keys(read(&[root.to_owned(), root.join("readme.md")]).unwrap().sources);
    assert_eq!(typed.len(), 5, "a file that is named is read whatever its name: {typed:?}");
    assert!(typed.iter().all(|path| path.starts_with(root.to_str().unwrap())));
}

#[test]
fn what_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(folder(dir.path()).unwrap(), Found::default());
    let empty = read(&[dir.path().to_owned()]).unwrap_err();
    assert!(empty.to_string().contains("has no *.yaml"), "{empty}");
    let missing = read(&[dir.path().join("missing.yaml")]).unwrap_err();
    assert!(missing.to_string().contains("missing.yaml"), "{missing}");
}

/// Each of these hung a start, a watcher or the end of the program, or kept everything else from being read.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_may_have_anything_in_it() {
    use std::os::unix::fs::symlink;

    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let at = |name: &str| root.join(name);
    std::fs::write(at("good.yaml"), "a: 1\n").unwrap();
    assert!(std::process::Command::new("mkfifo").arg(at("pipe.yaml")).status().unwrap().success());
    symlink(at("pipe.yaml"), at("to-pipe.yaml")).unwrap();
    symlink("/dev/zero", at("endless.yaml")).unwrap();
    symlink("/dev/tty", at("device.yml")).unwrap();
    symlink("nothing", at("dangling.yaml")).unwrap();
    symlink("loop.json", at("loop.json")).unwrap();
    symlink(root, at("folder-loop")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket.yaml")).unwrap();
    // Takes no room on the disk.
    std::fs::File::create(at("huge.yaml")).unwrap().set_len(1 << 40).unwrap();
    let utf16: Vec<u8> = "\u{feff}a: 1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(at("utf16.yaml"), utf16).unwrap();
    std::fs::write(at("broken.yaml"), b"a: \xff\n").unwrap();

    let found = folder(root).unwrap();
    assert_eq!(keys(found.sources), ["good.yaml"]);
    let codes: BTreeMap<String, String> = found
        .unread
        .iter()
        .map(|unread| (unread.file.clone(), unread.diagnostic().code.into_owned()))
        .collect();
    let expected = [
        ("broken.yaml", "MW0015"),
        ("dangling.yaml", "MW0018"),
        ("device.yml", "MW0016"),
        ("endless.yaml", "MW0016"),
        ("huge.yaml", "MW0017"),
        ("loop.json", "MW0018"),
        ("pipe.yaml", "MW0016"),
        ("socket.yaml", "MW0016"),
        ("to-pipe.yaml", "MW0016"),
        ("utf16.yaml", "MW0015"),
    ];
    let expected = expected.map(|(file, code)| (file.to_owned(), code.to_owned()));
    assert_eq!(codes, BTreeMap::from(expected));

    // Named by a person, each is an error that says why.
    for (name, said) in
        [("pipe.yaml", "a pipe"), ("endless.yaml", "a device"), ("huge.yaml", "longer than 8 MiB")]
    {
        let error = read(&[at(name)]).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(said), "{error}");
    }
    assert!(stamps(&[root.to_owned()]).is_some(), "what cannot be read can be watched");
}

#[test]
fn a_folder_that_can_be_no_mesh_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..10_001 {
        std::fs::File::create(dir.path().join(format!("{number}.yaml"))).unwrap();
    }
    let error = folder(dir.path()).unwrap_err().to_string();
    assert!(error.contains("more than 10000 YAML files"), "{error}");
}

#[test]
fn a_stamp_differs_when_a_file_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.yaml");
    std::fs::write(&file, "a: 1\n").unwrap();
    let stamp = || stamps(&[dir.path().to_owned()]).unwrap().0;
    let before = stamp();
    assert_eq!(before, stamp());
    // Of the same length and, as `cp -p` and `rsync -t` leave it, of the same time.
    let time = file.metadata().unwrap().modified().unwrap();
    let other = dir.path().join("other");
    std::fs::write(&other, "a: 2\n").unwrap();
    std::fs::File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
    std::fs::rename(&other, &file).unwrap();
    assert_ne!(before, stamp());
}
