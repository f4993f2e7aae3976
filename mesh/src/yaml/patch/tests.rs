use proptest::prelude::*;
use serde_json::{Value, json};

use super::{same, update};
use crate::yaml::{Path, Segment, document, read};

/// Sets (or removes, with null) one path of a text's value.
fn changed(text: &str, path: &str, new: &Value) -> String {
    let mut value = read(text).value;
    let path = Path::parse(path).unwrap();
    let (last, parents) = path.0.split_last().unwrap();
    let mut at = &mut value;
    for segment in parents {
        at = match segment {
            Segment::Key(key) => &mut at[key],
            Segment::Index(index) => &mut at[index],
        };
    }
    match (last, new) {
        (Segment::Key(key), Value::Null) => {
            at.as_object_mut().unwrap().remove(key);
        }
        (Segment::Key(key), _) => at[key] = new.clone(),
        (Segment::Index(index), Value::Null) => {
            at.as_array_mut().unwrap().remove(*index);
        }
        (Segment::Index(index), _) => at.as_array_mut().unwrap().insert(*index, new.clone()),
    }
    update(text, &value).unwrap()
}

#[test]
fn of_a_key_that_is_there_twice_the_value_is_set() {
    for text in
        ["a:\n- 1\na:\n- 1\n- 2\n", "a:\n- 1\n- 2\na:\n- 1\n", "a: [1]\na: [1, 2]\n", "a: [1, 2]\na: [1]\n"]
    {
        let mut wanted = read(text).value;
        wanted["a"].as_array_mut().unwrap().push(json!(3));
        let after = update(text, &wanted).unwrap();
        assert_eq!(read(&after).value, wanted, "{text:?} became {after:?}");
    }
}

#[test]
fn one_change() {
    let table: &[(&str, &str, Value, &str)] = &[
        // Scalars, with what is around them.
        ("a: 1 # one\nb: 2\n", "a", json!(3), "a: 3 # one\nb: 2\n"),
        ("a: \"x\" # one\n", "a", json!("z"), "a: z # one\n"),
        ("a: x", "a", json!("on"), "a: \"on\""),
        ("a:\nb: 2\n", "a", json!(1), "a: 1\nb: 2\n"),
        ("a: # none yet\nb: 2\n", "a", json!(1), "a: 1 # none yet\nb: 2\n"),
        ("a: |\n  x\n  y\n\n# c\nb: 2\n", "a", json!("z"), "a: z\n\n# c\nb: 2\n"),
        ("a: x\n  y\nb: 2\n", "a", json!(1), "a: 1\nb: 2\n"),
        ("- 1 # one\n- 2\n", "[1]", Value::Null, "- 1 # one\n"),
        // A scalar for a collection and back.
        ("a: 5s # c\nb: 2\n", "a", json!({"x": 1}), "a:\n  x: 1 # c\nb: 2\n"),
        ("a: # c\n  x: 1 # one\n  y: 2\nb: 2\n", "a", json!(7), "a: 7 # c\nb: 2\n"),
        ("a: # c\n- 1\n- 2\nb: 2\n", "a", json!({"x": 1}), "a: # c\n  x: 1\nb: 2\n"),
        ("a:\n- 1\nb: 2\n", "a", json!([]), "a: []\nb: 2\n"),
        ("a: {}\nb: 2\n", "a", json!({"x": [1]}), "a:\n  x:\n  - 1\nb: 2\n"),
        // New keys, in the document's own layout.
        (
            "a:\n    b: 1 # one\nc: 2\n",
            "a.d",
            json!({"e": 1}),
            "a:\n    b: 1 # one\n    d:\n        e: 1\nc: 2\n",
        ),
        (
            "a:\n  - x: 1\n\n# end\nc: 2\n",
            "a[0].w",
            json!([1]),
            "a:\n  - x: 1\n    w:\n      - 1\n\n# end\nc: 2\n",
        ),
        ("a: 1", "b", json!(2), "a: 1\nb: 2"),
        ("a: 1\r\nb: 2\r\n", "c", json!(3), "a: 1\r\nb: 2\r\nc: 3\r\n"),
        // Keys that go.
        ("a: 1\n# of b\nb: 2 # two\nc: 3\n", "b", Value::Null, "a: 1\n# of b\nc: 3\n"),
        ("- a: 1\n  b: 2\n", "[0].a", Value::Null, "- b: 2\n"),
        ("- a:\n    x: 1 # c\n  # of b\n  b: 2\n", "[0].a", Value::Null, "- # of b\n  b: 2\n"),
        ("a:\n  x: 1\nb: 2\n", "a.x", Value::Null, "a: {}\nb: 2\n"),
        // Lists.
        ("a:\n- 1 # one\n- 2\nb: 3\n", "a[1]", json!(9), "a:\n- 1 # one\n- 9\n- 2\nb: 3\n"),
        (
            "a:\n# of one\n- 1\n- 2\n",
            "a[0]",
            json!({"x": 1, "w": 2}),
            "a:\n- w: 2\n  x: 1\n# of one\n- 1\n- 2\n",
        ),
        ("a:\n- 1\n- 2 # two\n- 3\n", "a[1]", Value::Null, "a:\n- 1\n- 3\n"),
        ("- - 1\n  - 2\n- 3\n", "[0][0]", json!(0), "- - 0\n  - 1\n  - 2\n- 3\n"),
        ("- - 1\n  - 2\n- 3\n", "[0][0]", Value::Null, "- - 2\n- 3\n"),
        // In brackets and braces.
        ("a: {x: 1, y: 'b'} # c\n", "a.x", json!("p, q"), "a: {x: \"p, q\", y: 'b'} # c\n"),
        ("a: {x: 1, y: 'b'} # c\n", "a.z", json!({"k": [1]}), "a: {x: 1, y: 'b', z: {k: [1]}} # c\n"),
        ("a: {x: 1, y: 'b'} # c\n", "a.x", Value::Null, "a: {y: 'b'} # c\n"),
        ("a: {x: 1, y: 'b'} # c\n", "a.y", Value::Null, "a: {x: 1} # c\n"),
        ("a: [ 1, '2', 3 ]\n", "a[1]", Value::Null, "a: [ 1, 3 ]\n"),
        ("a: [ 1, '2', 3 ]\n", "a[0]", json!("0"), "a: [ \"0\", 1, '2', 3 ]\n"),
        ("a: [ 1, '2', 3 ]\n", "a[3]", json!("*"), "a: [ 1, '2', 3, \"*\" ]\n"),
        ("{\"a\": {\"b\": 1}}\n", "a.c", json!("x"), "{\"a\": {\"b\": 1, \"c\": \"x\"}}\n"),
        // A mapping that becomes a list of one.
        (
            "a:\n  # c\n  x: 1\n  y:\n    z: 2\nb: 1\n",
            "a",
            json!([{"x": 1, "y": {"z": 2}}]),
            "a:\n  # c\n- x: 1\n  y:\n    z: 2\nb: 1\n",
        ),
        (
            "l:\n  - 1\na:\n  x: 1\n  y: 2\n",
            "a",
            json!([{"x": 1, "y": 2}]),
            "l:\n  - 1\na:\n  - x: 1\n    y: 2\n",
        ),
        // What splices alone would break: anchors, merges, tags, doubled keys.
        ("a: &k 1\nb: *k\n", "b", json!(2), "a: &k 1\nb: 2\n"),
        (
            "a: &k {x: 1}\nb:\n  <<: *k\n  y: 2\n",
            "b.x",
            json!(5),
            "a: &k {x: 1}\nb:\n  <<: *k\n  y: 2\n  x: 5\n",
        ),
        ("a: !!str 12\nb: 1\n", "a", json!("13"), "a: !!str \"13\"\nb: 1\n"),
        // Unquoted wildcards and placeholders.
        ("a:\n- *.foo.com\n- b\n", "a[1]", Value::Null, "a:\n- *.foo.com\n"),
        ("a:\n- x:\n  - 1\n  ...\n", "a[0].w", json!(1), "a:\n- x:\n  - 1\n  w: 1\n  ...\n"),
    ];
    let wrong: Vec<_> = table
        .iter()
        .map(|(text, path, new, expected)| {
            (changed(text, path, new), *expected, format!("{path} = {new} in {text:?}"))
        })
        .filter(|(found, expected, _)| found != expected)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_cannot_be_spliced_is_written_anew() {
    for (text, path, new) in [
        ("a: &k 1\nb: *k\n", "a", json!(2)),
        ("a: &k {x: 1}\nb:\n  <<: *k\n  y: 2\n", "b.x", Value::Null),
        ("a: !!str 12\nb: 1\n", "a", json!(13)),
        ("a: 1\na: 2\n", "a", Value::Null),
        ("? a\n: 1\nb: 2\n", "a", json!(3)),
        ("a: |+\n  x\n\n", "b", json!(1)),
    ] {
        changed(text, path, &new);
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5_i64..120).prop_map(Value::from),
        (0_u32..1000).prop_map(|n| Value::from(f64::from(n) / 8.0)),
        prop::sample::select(vec![
            "x", "on", "1", "a: b", "*.foo", "", "x y", "- a", "[", "#", "l\nm", "1:30"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(
                prop::sample::select(vec!["a", "b", "c", "on", "x.y/z"]),
                inner,
                0..4
            )
            .prop_map(|map| map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Value>()),
        ]
    })
}

fn mappings() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c", "d"]), values(), 1..5)
        .prop_map(|map| map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Value>())
}

/// A text with a comment behind every line and one above every third.
fn commented(text: &str) -> String {
    let lines = text.lines().enumerate().map(|(at, line)| {
        let indent = " ".repeat(line.len() - line.trim_start().len());
        let above = if at % 3 == 1 { format!("{indent}# above {at}\n") } else { String::new() };
        format!("{above}{line} # line {at}\n")
    });
    lines.collect()
}

proptest! {
    #[test]
    fn any_value_becomes_any_other(old in mappings(), new in mappings(), comments in any::<bool>()) {
        let text = if comments { commented(&document(&old)) } else { document(&old) };
        prop_assert!(same(&read(&text).value, &old), "{}", text);
        let changed = update(&text, &new).unwrap();
        prop_assert!(same(&read(&changed).value, &new), "{}\n=>\n{}", text, changed);
    }

    #[test]
    fn a_new_key_changes_no_line(old in mappings(), new in values()) {
        let text = commented(&document(&old));
        let mut value = old;
        value["z"] = new;
        let changed = update(&text, &value).unwrap();
        prop_assert!(changed.starts_with(&text), "{}\n=>\n{}", text, changed);
    }
}
