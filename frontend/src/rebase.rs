//! A draft on another revision than the one that it was made on: what can be taken along, and what a person must look at
//! because somebody else changed the same. Pure.

use mesh::edit::{self, RouteTarget};
use mesh::resource::Spec;
use mesh::resource::http::HttpRoute;
use mesh::{Edit, Mesh, ResourceKey, RouteKey, Sources, diff, export};

use crate::reading::Reading;

/// Edits for the new revision.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rebased {
    /// Those that are kept, with routes where they are now, and texts together with what others made of them.
    pub edits: Vec<Edit>,
    /// Where others changed what an edit changes, a sentence each.
    pub conflicts: Vec<String>,
}

/// Puts edits that were made on `base` on top of `head`.
pub fn onto(base: &Reading, head: &Reading, edits: &[Edit]) -> Rebased {
    let mut rebased = Rebased::default();
    // Routes that an earlier edit of the draft adds move those that follow.
    let mut moved: Vec<ResourceKey> = Vec::new();
    for edit in edits {
        let what = edit::summary(&base.analysis.mesh, edit);
        match one(base, head, edit, &moved) {
            Fate::Clean(edit) => rebased.edits.push(edit),
            Fate::Conflict(edit, why) => {
                rebased.conflicts.push(format!("«{what}»: {why}"));
                rebased.edits.push(edit);
            }
            Fate::Lost(why) => rebased.conflicts.push(format!("«{what}» is left out: {why}")),
        }
        match edit {
            Edit::InjectFault { target: RouteTarget::Route(key), only: Some(_), .. } => {
                moved.push(key.resource())
            }
            Edit::ReplaceResource { key, .. } => moved.push(key.clone()),
            _ => {}
        }
    }
    rebased
}

/// What becomes of an edit.
enum Fate {
    /// It is as good as it was.
    Clean(Edit),
    /// It can be made, over what somebody else did.
    Conflict(Edit, String),
    /// What it is about is gone, or cannot be found.
    Lost(String),
}

fn one(base: &Reading, head: &Reading, edit: &Edit, moved: &[ResourceKey]) -> Fate {
    let clean = || Fate::Clean(edit.clone());
    match edit {
        Edit::SetWeights { target, .. }
        | Edit::SetTimeout { target, .. }
        | Edit::SetRetries { target, .. }
        | Edit::InjectFault { target, .. } => route_edit(base, head, edit, target, moved),
        Edit::SetFields { key, fields } => {
            if document(&base.analysis.mesh, key) == document(&head.analysis.mesh, key) {
                return clean();
            }
            let value = |mesh: &Mesh, path: &str| mesh.document(key).and_then(|it| it.value(path)).cloned();
            let same = |path: &str| {
                !path.contains('[') && value(&base.analysis.mesh, path) == value(&head.analysis.mesh, path)
            };
            match head.analysis.mesh.document(key) {
                None => Fate::Lost(format!("{key} is gone")),
                Some(_) if fields.iter().all(|field| same(&field.path)) => clean(),
                Some(_) => Fate::Conflict(edit.clone(), format!("{key} was changed too")),
            }
        }
        Edit::ReplaceResource { key, yaml } => {
            match (document(&base.analysis.mesh, key), document(&head.analysis.mesh, key)) {
                (before, now) if before == now => clean(),
                // What was typed is added again.
                (_, None) => {
                    let file = base
                        .analysis
                        .mesh
                        .document(key)
                        .map_or_else(|| "added.yaml".to_owned(), |it| it.file().to_owned());
                    let edit = Edit::AddResource { file, yaml: yaml.clone() };
                    Fate::Conflict(edit, format!("{key} was removed; this adds it again"))
                }
                (before, Some(now)) => match diff::merge(&before.unwrap_or_default(), yaml, &now) {
                    Some(yaml) => Fate::Clean(Edit::ReplaceResource { key: key.clone(), yaml }),
                    None => Fate::Conflict(
                        edit.clone(),
                        format!("the same lines of {key} were changed too; yours would replace them"),
                    ),
                },
            }
        }
        Edit::RemoveResource { key } => {
            match (document(&base.analysis.mesh, key), document(&head.analysis.mesh, key)) {
                (before, now) if before == now => clean(),
                (_, None) => Fate::Lost(format!("{key} is already gone")),
                _ => Fate::Conflict(edit.clone(), format!("{key} was changed meanwhile")),
            }
        }
        Edit::AddResource { file, yaml } => {
            let added = Mesh::parse(&Sources::single(file.as_str(), yaml.as_str())).mesh;
            let twice = added.resources().find(|one| {
                head.analysis.mesh.resource(&one.key).is_some()
                    && base.analysis.mesh.resource(&one.key).is_none()
            });
            match twice {
                None => clean(),
                Some(one) => {
                    Fate::Conflict(edit.clone(), format!("{} was added by someone else too", one.key))
                }
            }
        }
        Edit::SetFiles { files } => {
            let mut conflict = None;
            let merged = files.iter().map(|(file, text)| {
                let (before, now) = (base.analysis.sources.0.get(file), head.analysis.sources.0.get(file));
                let both = match (before, text, now) {
                    (before, _, now) if before == now => text.clone(),
                    (Some(before), Some(text), Some(now)) => diff::merge(before, text, now),
                    _ => None,
                };
                if both.is_none() && text.is_some() {
                    conflict = Some(format!("{file} was changed too; yours would replace it"));
                }
                (file.clone(), both.or_else(|| text.clone()))
            });
            let edit = Edit::SetFiles { files: merged.collect() };
            match conflict {
                None => Fate::Clean(edit),
                Some(why) => Fate::Conflict(edit, why),
            }
        }
    }
}

fn document(mesh: &Mesh, key: &ResourceKey) -> Option<String> {
    export::document(mesh, key)
}

/// An edit of one field of a route: it follows the route where that has moved.
fn route_edit(
    base: &Reading,
    head: &Reading,
    edit: &Edit,
    target: &RouteTarget,
    moved: &[ResourceKey],
) -> Fate {
    let key = match target {
        RouteTarget::Service(host) => {
            let before = base.catalog.routing.find(host);
            let mut new = head.catalog.routing.find(host).into_iter().filter(|key| !before.contains(key));
            return match new.next() {
                Some(key) => Fate::Conflict(edit.clone(), format!("{key} routes {host} now")),
                None => Fate::Clean(edit.clone()),
            };
        }
        RouteTarget::Route(key) | RouteTarget::Tcp(key) | RouteTarget::Tls(key) => key,
    };
    let resource = key.resource();
    if document(&base.analysis.mesh, &resource) == document(&head.analysis.mesh, &resource) {
        return Fate::Clean(edit.clone());
    }
    if head.analysis.mesh.resource(&resource).is_none() {
        return Fate::Lost(format!("{resource} is gone"));
    }
    let RouteTarget::Route(_) = target else {
        return Fate::Conflict(edit.clone(), format!("{resource} was changed too"));
    };
    let (before, now) = (routes(&base.analysis.mesh, &resource), routes(&head.analysis.mesh, &resource));
    let same = |a: &HttpRoute, b: &HttpRoute| a.name == b.name && a.r#match == b.r#match;
    let in_place = before.len() == now.len() && before.iter().zip(now).all(|(a, b)| same(a, b));
    let index = if in_place {
        Some(key.index)
    } else if moved.contains(&resource) {
        None
    } else {
        let found = before
            .get(key.index)
            .map(|wanted| (0..now.len()).filter(|at| same(&now[*at], wanted)).collect::<Vec<_>>());
        found.filter(|found| found.len() == 1).map(|found| found[0])
    };
    let Some(index) = index else {
        return Fate::Lost(format!(
            "its route of {resource} no longer exists, or cannot be told apart from others"
        ));
    };
    let edit = at(edit, RouteKey { index, ..key.clone() });
    match (before.get(key.index), now.get(index)) {
        (Some(before), Some(now)) if !same_field(&edit, before, now) => {
            Fate::Conflict(edit, "someone else changed that too; yours would replace it".to_owned())
        }
        _ => Fate::Clean(edit),
    }
}

/// The routes of a VirtualService; none of what is not there.
fn routes<'m>(mesh: &'m Mesh, key: &ResourceKey) -> &'m [HttpRoute] {
    match mesh.resource(key).map(|resource| &resource.spec) {
        Some(Spec::VirtualService(spec)) => &spec.http,
        _ => &[],
    }
}

/// Whether what the edit sets is the same in both.
fn same_field(edit: &Edit, before: &HttpRoute, now: &HttpRoute) -> bool {
    match edit {
        Edit::SetWeights { .. } => before.route == now.route,
        Edit::SetTimeout { .. } => before.timeout == now.timeout,
        Edit::SetRetries { .. } => before.retries == now.retries,
        Edit::InjectFault { .. } => before.fault == now.fault,
        _ => true,
    }
}

/// The same edit of another route.
fn at(edit: &Edit, key: RouteKey) -> Edit {
    let mut edit = edit.clone();
    if let Edit::SetWeights { target, .. }
    | Edit::SetTimeout { target, .. }
    | Edit::SetRetries { target, .. }
    | Edit::InjectFault { target, .. } = &mut edit
    {
        *target = RouteTarget::Route(key);
    }
    edit
}

#[cfg(test)]
mod tests {
    use mesh::edit::{FieldEdit, Share};
    use mesh::{Kind, Settings};

    use super::*;
    use crate::fixture::bookinfo;

    const RULES: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop.test]
  http:
  - name: api
    match: [{uri: {prefix: /api}}]
    route: [{destination: {host: reviews}}]
  - name: rest
    timeout: 1s
    route: [{destination: {host: details}}]
";

    fn shop(index: usize) -> RouteTarget {
        RouteTarget::Route(RouteKey { namespace: "default".into(), name: "shop".into(), index })
    }

    fn key() -> ResourceKey {
        ResourceKey::new(Kind::VirtualService, "default", "shop")
    }

    fn timeout(index: usize, millis: u64) -> Edit {
        Edit::SetTimeout { target: shop(index), millis: Some(millis) }
    }

    fn weights(index: usize) -> Edit {
        let share = Share { host: "ratings".into(), subset: None, port: None, weight: 100 };
        Edit::SetWeights { target: shop(index), shares: vec![share] }
    }

    fn set(path: &str) -> Edit {
        Edit::SetFields { key: key(), fields: vec![FieldEdit { path: path.into(), value: Some("x".into()) }] }
    }

    fn replace(from: &str, to: &str) -> Edit {
        Edit::ReplaceResource { key: key(), yaml: RULES.replace(from, to) }
    }

    #[test]
    fn edits_follow_and_conflicts_are_said() {
        let first = "  - name: first\n    match: [{uri: {prefix: /first}}]\n    route: [{destination: {host: ratings}}]\n  - name: api";
        let in_front = RULES.replace("  - name: api", first);
        let slower = RULES.replace("timeout: 1s", "timeout: 9s");
        let nothing = String::new();
        let other = format!("{RULES}---\n{}", RULES.replace("shop", "other"));
        // What somebody else made of it, the edit, the edits after it, and how many things are said.
        let cases: &[(&str, &str, Vec<Edit>, Option<Vec<Edit>>, &[&str])] = &[
            ("elsewhere", &other, vec![timeout(1, 5)], None, &[]),
            (
                "a route in front",
                &in_front,
                vec![timeout(1, 5), weights(0)],
                Some(vec![timeout(2, 5), weights(1)]),
                &[],
            ),
            ("another field of the route", &slower, vec![weights(1)], None, &[]),
            ("the same field", &slower, vec![timeout(1, 5)], None, &["changed that too"]),
            (
                "it is gone",
                &nothing,
                vec![timeout(1, 5), weights(0)],
                Some(vec![]),
                &["left out", "left out"],
            ),
            ("another field", &slower, vec![set("spec.exportTo")], None, &[]),
            ("an entry of a list", &slower, vec![set("spec.http[1].timeout")], None, &["was changed too"]),
            (
                "text, other lines",
                &slower,
                vec![replace("/api", "/v1")],
                Some(vec![Edit::ReplaceResource { key: key(), yaml: slower.replace("/api", "/v1") }]),
                &[],
            ),
            (
                "text, the same lines",
                &slower,
                vec![replace("timeout: 1s", "timeout: 2s")],
                None,
                &["the same lines"],
            ),
            (
                "text of what is gone",
                &nothing,
                vec![replace("/api", "/v1")],
                Some(vec![Edit::AddResource {
                    file: "extra.yaml".into(),
                    yaml: RULES.replace("/api", "/v1"),
                }]),
                &["adds it again"],
            ),
            (
                "to be removed, and changed",
                &slower,
                vec![Edit::RemoveResource { key: key() }],
                None,
                &["changed meanwhile"],
            ),
            (
                "to be removed, and gone",
                &nothing,
                vec![Edit::RemoveResource { key: key() }],
                Some(vec![]),
                &["already gone"],
            ),
            (
                "added twice",
                &other,
                vec![Edit::AddResource { file: "b.yaml".into(), yaml: RULES.replace("shop", "other") }],
                None,
                &["someone else"],
            ),
            (
                "a file, other lines",
                &slower,
                vec![Edit::SetFiles {
                    files: vec![("extra.yaml".into(), Some(RULES.replace("/api", "/v1")))],
                }],
                Some(vec![Edit::SetFiles {
                    files: vec![("extra.yaml".into(), Some(slower.replace("/api", "/v1")))],
                }]),
                &[],
            ),
            (
                "a file, the same lines",
                &slower,
                vec![Edit::SetFiles { files: vec![("extra.yaml".into(), Some(RULES.replace("1s", "2s")))] }],
                None,
                &["extra.yaml was changed too"],
            ),
        ];
        let base = bookinfo(RULES);
        for (what, theirs, edits, expected, said) in cases {
            let head = bookinfo(theirs);
            let rebased = onto(&base, &head, edits);
            assert_eq!(rebased.edits, expected.clone().unwrap_or_else(|| edits.clone()), "{what}");
            assert_eq!(rebased.conflicts.len(), said.len(), "{what}: {:?}", rebased.conflicts);
            for (conflict, part) in rebased.conflicts.iter().zip(*said) {
                assert!(conflict.contains(part), "{what}: {conflict}");
            }
            assert_eq!(head.edited(&rebased.edits, &Settings::default()).unmade, 0, "{what}");
        }
    }

    #[test]
    fn a_default_route_that_somebody_made_a_rule_for() {
        let base = bookinfo("");
        let rule = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: d}\nspec:\n  hosts: [shop]\n  http:\n  - route: [{destination: {host: details}}]\n";
        let edit = Edit::SetTimeout {
            target: RouteTarget::Service("shop.default.svc.cluster.local".into()),
            millis: Some(1),
        };
        let said = onto(&base, &bookinfo(rule), std::slice::from_ref(&edit)).conflicts;
        assert!(said.len() == 1 && said[0].contains("routes shop"), "{said:?}");
        assert_eq!(
            onto(&base, &base, std::slice::from_ref(&edit)),
            Rebased { edits: vec![edit], conflicts: vec![] }
        );
    }
}
