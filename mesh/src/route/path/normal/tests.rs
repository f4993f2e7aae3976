//! What Envoy 1.40 makes of paths, asked with each level, and the laws that hold for all paths.

use proptest::prelude::*;

use super::*;

const LEVELS: [PathNormalization; 4] = [
    PathNormalization::None,
    PathNormalization::Base,
    PathNormalization::MergeSlashes,
    PathNormalization::DecodeAndMergeSlashes,
];

#[test]
fn paths_are_as_envoy_makes_them() {
    // A path, and what comes of it at each level but the first, which changes none. `400`: it is refused.
    #[rustfmt::skip]
    let cases = [
        ("/a", "/a", "/a", "/a"),
        ("/public/../admin", "/admin", "/admin", "/admin"),
        ("/./admin", "/admin", "/admin", "/admin"),
        ("/%61dmin", "/admin", "/admin", "/admin"),
        ("/public/%2e%2e/admin", "/admin", "/admin", "/admin"),
        (r#"/a\b"#, "/a/b", "/a/b", "/a/b"),
        ("/a%2Fb", "/a%2Fb", "/a%2Fb", "/a/b"),
        ("/a%2fb", "/a%2fb", "/a%2fb", "/a/b"),
        ("/a//b", "/a//b", "/a/b", "/a/b"),
        ("//a", "//a", "/a", "/a"),
        ("/a/..", "/", "/", "/"),
        ("/..", "/", "/", "/"),
        ("/../..", "/", "/", "/"),
        ("/a/.", "/a/", "/a/", "/a/"),
        ("/a/./", "/a/", "/a/", "/a/"),
        ("/a/b/../..", "/", "/", "/"),
        ("/a/.%2e/b", "/b", "/b", "/b"),
        ("/a/%2E./b", "/b", "/b", "/b"),
        ("/.hidden", "/.hidden", "/.hidden", "/.hidden"),
        ("/..hidden", "/..hidden", "/..hidden", "/..hidden"),
        ("/a..", "/a..", "/a..", "/a.."),
        ("/a/...", "/a/...", "/a/...", "/a/..."),
        ("/%00", "400", "400", "400"),
        ("/a%00b", "400", "400", "400"),
        ("/#", "400", "400", "400"),
        ("/a#b", "400", "400", "400"),
        ("/a?b#c", "400", "400", "400"),
        ("/a?x=%2e%2e/../b", "/a?x=%2e%2e/../b", "/a?x=%2e%2e/../b", "/a?x=%2e%2e/../b"),
        ("/a/..?q=/../", "/?q=/../", "/?q=/../", "/?q=/../"),
        ("/%zz", "/%zz", "/%zz", "/%zz"),
        ("/%", "/%", "/%", "/%"),
        ("/%2", "/%2", "/%2", "/%2"),
        ("/%7e%7E%41%2d%5f%2B%25%20%3f%23%5c%5C", "/~~A-_%2B%25%20%3f%23%5c%5C", "/~~A-_%2B%25%20%3f%23%5c%5C", "/~~A-_%2B%25%20%3f%23/"),
        (r#"/a"b"#, "/a%22b", "/a%22b", "/a%22b"),
        ("/a<b>", "/a%3Cb%3E", "/a%3Cb%3E", "/a%3Cb%3E"),
        ("/a^b", "/a%5Eb", "/a%5Eb", "/a%5Eb"),
        ("/a`b", "/a%60b", "/a%60b", "/a%60b"),
        ("/a{b}", "/a%7Bb%7D", "/a%7Bb%7D", "/a%7Bb%7D"),
        ("/a|b", "/a%7Cb", "/a%7Cb", "/a%7Cb"),
        ("/a'b", "/a'b", "/a'b", "/a'b"),
        ("/a[b]", "/a[b]", "/a[b]", "/a[b]"),
        ("/a~b", "/a~b", "/a~b", "/a~b"),
        ("/%ff%C3%a9", "/%ff%C3%a9", "/%ff%C3%a9", "/%ff%C3%a9"),
        ("/a;b=c/../d", "/d", "/d", "/d"),
        ("/a/%2e", "/a/", "/a/", "/a/"),
        ("/a/%2e/", "/a/", "/a/", "/a/"),
        ("/a/%2e%2e", "/", "/", "/"),
        ("/a%2e", "/a.", "/a.", "/a."),
        ("/a/%2e%2e%2fb", "/a/..%2fb", "/a/..%2fb", "/b"),
        ("/a/..%2fb", "/a/..%2fb", "/a/..%2fb", "/b"),
        ("/a/..%5cb", "/a/..%5cb", "/a/..%5cb", "/b"),
        (r#"/a\..\b"#, "/b", "/b", "/b"),
        ("/a//../b", "/a/b", "/a/b", "/a/b"),
        ("/a///b/", "/a///b/", "/a/b/", "/a/b/"),
        ("//", "//", "//", "//"),
        ("///", "///", "//", "//"),
        ("/a%2f%2fb", "/a%2f%2fb", "/a%2f%2fb", "/a/b"),
        ("/%2f..%2fx", "/%2f..%2fx", "/%2f..%2fx", "/x"),
        ("/%252e%252e/", "/%252e%252e/", "/%252e%252e/", "/%252e%252e/"),
        ("/%2561", "/%2561", "/%2561", "/%2561"),
        ("/%25%36%31", "/%2561", "/%2561", "/%2561"),
        ("/%%36%31", "/%2561", "/%2561", "/%2561"),
        ("/a?", "/a?", "/a?", "/a?"),
        ("/a/../?", "/?", "/?", "/?"),
        ("/%01", "/%01", "/%01", "/%01"),
        ("/%7f", "/%7f", "/%7f", "/%7f"),
        ("/%20", "/%20", "/%20", "/%20"),
        ("/a/../../b/c/./../d", "/b/d", "/b/d", "/b/d"),
        ("/a%5cb", "/a%5cb", "/a%5cb", "/a/b"),
        ("/..%2f..%2f", "/..%2f..%2f", "/..%2f..%2f", "/"),
        ("/%5c..%5ca", "/%5c..%5ca", "/%5c..%5ca", "/a"),
        ("/a/b%2f..%2f..%2fc", "/a/b%2f..%2f..%2fc", "/a/b%2f..%2f..%2fc", "/c"),
    ];
    for (path, base, merged, decoded) in cases {
        let as_it_is = if path.contains('#') { "400" } else { path };
        for (level, expected) in LEVELS.into_iter().zip([as_it_is, base, merged, decoded]) {
            let made = normalize(path, level);
            assert_eq!(made.as_deref().unwrap_or("400"), expected, "{path} at {level:?}");
        }
    }
}

#[test]
fn what_is_no_path_stays() {
    for path in ["", "*", "?a/../b", "a/../b", "%2e"] {
        for level in LEVELS {
            assert_eq!(normalize(path, level), Ok(Cow::Borrowed(path)), "{path} at {level:?}");
        }
    }
}

#[test]
fn ordinary_paths_cost_nothing() {
    for path in ["/", "/reviews/0?a=%2e/../b", "/a.b/c..d/e~f/!$&'()*+,;=:@[]", "/static/app-1.2_3.js"] {
        for level in LEVELS {
            assert!(
                matches!(normalize(path, level), Ok(Cow::Borrowed(it)) if it == path),
                "{path} at {level:?}"
            );
        }
    }
}

#[test]
fn what_is_not_ascii_is_escaped() {
    assert_eq!(normalize("/é/../\u{1}ü?é", PathNormalization::Base).unwrap(), "/%01%C3%BC?é");
}

/// Paths made of what matters.
fn paths() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "\\", ".", "..", "%", "2", "5", "e", "E", "f", "F", "c", "C", "%2e", "%2E", "%2f", "%5C",
        "%25", "%61", "%32", "%46", "%65", "a", "b", "~", "%7e", "%20", "?", "é", "\"", "%0", "0", "%30",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Whoever normalises again (the next proxy, the application) sees the same path.
    #[test]
    fn normal_paths_are_normal(path in paths()) {
        for level in LEVELS {
            if let Ok(once) = normalize(&path, level) {
                let twice = normalize(&once, level);
                prop_assert!(matches!(&twice, Ok(Cow::Borrowed(it)) if *it == once) || twice.as_deref() == Ok(&*once), "{} {:?} {:?}", path, once, twice);
            }
        }
    }

    /// No dot segment, backslash or escaped unreserved character is left, and the query is as it was.
    #[test]
    fn nothing_is_left_to_resolve(path in paths()) {
        let query = path.split_once('?').map(|(_, query)| query);
        for level in &LEVELS[1..] {
            let Ok(made) = normalize(&path, *level) else { continue };
            let (bare, left) = made.split_once('?').map_or((&*made, None), |(bare, left)| (bare, Some(left)));
            prop_assert_eq!(left, query);
            prop_assert!(bare.starts_with('/') && bare.is_ascii() && !bare.contains('\\'), "{} {}", path, made);
            prop_assert!(bare.split('/').all(|segment| segment != "." && segment != ".."), "{} {}", path, made);
            for at in bare.match_indices('%').map(|(at, _)| at) {
                let plain = escaped(&bare.as_bytes()[at + 1..]);
                prop_assert!(!plain.is_some_and(|it| it == b'.' || is_unreserved(it)), "{} {}", path, made);
            }
        }
    }
}
