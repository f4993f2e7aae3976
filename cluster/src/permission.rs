//! Permissions that are missing: which, in one sentence, and the role that grants them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use crate::kind::{Kind, Verb};

/// Something that may be permitted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// The namespace; without it all of them.
    pub namespace: Option<String>,
    /// What it is about.
    pub object: Object,
    /// What is done, such as `list`.
    pub verb: String,
}

/// What a permission is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// A kind's resource, or one below it such as `pods/status`.
    Resource {
        /// Its API group; the core group has no name.
        group: String,
        /// Its plural.
        name: String,
    },
    /// A path of the server that is no resource.
    Path(String),
}

impl Permission {
    /// To do something with a kind, in one namespace or in all.
    pub fn of(verb: Verb, kind: Kind, namespace: Option<&str>) -> Self {
        Self {
            namespace: namespace.filter(|_| kind.is_namespaced()).map(str::to_owned),
            object: Object::Resource { group: kind.group().to_owned(), name: kind.plural().to_owned() },
            verb: verb.name().to_owned(),
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ", self.verb)?;
        match &self.object {
            Object::Path(path) => return write!(out, "the path {path}"),
            Object::Resource { group, name } if group.is_empty() => out.write_str(name)?,
            Object::Resource { group, name } => write!(out, "{name}.{group}")?,
        }
        match &self.namespace {
            Some(namespace) => write!(out, " in the namespace `{namespace}`"),
            None => out.write_str(" in the whole cluster"),
        }
    }
}

/// A permission that somebody does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Who, as the server names him.
    pub user: Option<String>,
    /// What.
    pub permission: Permission,
}

impl fmt::Display for Denied {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user {
            Some(user) => write!(out, "`{user}`")?,
            None => out.write_str("this user")?,
        }
        let how = if self.permission.namespace.is_some() { "Role" } else { "ClusterRole" };
        write!(out, " may not {}: ask an administrator for a {how} that grants it", self.permission)
    }
}

impl std::error::Error for Denied {}

impl Denied {
    /// What an administrator applies to grant it, as YAML.
    pub fn role(&self) -> String {
        let name = match &self.permission.object {
            Object::Resource { name, .. } => format!("meshwright-{}-{name}", self.permission.verb),
            Object::Path(_) => format!("meshwright-{}-paths", self.permission.verb),
        };
        roles(&name, self.user.as_deref(), std::slice::from_ref(&self.permission))
    }

    /// What the server said when it refused, in the words of its RBAC. Other authorizers have words of their own.
    pub(crate) fn from_message(message: &str) -> Option<Self> {
        let (_, rest) = message.split_once("User ")?;
        let (user, rest) = quoted(rest)?;
        let (verb, rest) = rest.trim_start().strip_prefix("cannot ")?.split_once(' ')?;
        let user = Some(user).filter(|user| !user.is_empty());
        let denied = |object, namespace| Self {
            user: user.clone(),
            permission: Permission { namespace, object, verb: verb.to_owned() },
        };
        if let Some(path) = rest.strip_prefix("path ") {
            return Some(denied(Object::Path(quoted(path)?.0), None));
        }
        let (name, rest) = quoted(rest.strip_prefix("resource ")?)?;
        let (group, rest) = quoted(rest.trim_start().strip_prefix("in API group ")?)?;
        let namespace = match rest.trim_start().strip_prefix("in the namespace ") {
            Some(rest) => Some(quoted(rest)?.0),
            None => None,
        };
        Some(denied(Object::Resource { group, name }, namespace))
    }
}

/// A text in quotation marks at the beginning of another one, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (inner, rest) = text.strip_prefix('"')?.split_once('"')?;
    Some((inner.to_owned(), rest))
}

/// What an administrator applies to grant permissions to a user: a Role and a RoleBinding for each namespace, and a ClusterRole and
/// a ClusterRoleBinding for what is in no namespace, as YAML.
pub fn roles(name: &str, user: Option<&str>, permissions: &[Permission]) -> String {
    let mut scopes: BTreeMap<Option<&str>, Vec<&Permission>> = BTreeMap::new();
    for permission in permissions {
        scopes.entry(permission.namespace.as_deref()).or_default().push(permission);
    }
    let mut out = String::new();
    for (namespace, permissions) in scopes {
        role(&mut out, name, user.unwrap_or("USER"), namespace, &permissions);
    }
    out
}

/// A role and its binding.
fn role(out: &mut String, name: &str, user: &str, namespace: Option<&str>, permissions: &[&Permission]) {
    const API: &str = "rbac.authorization.k8s.io";
    let kind = if namespace.is_some() { "Role" } else { "ClusterRole" };
    let head = |kind: &str| {
        let mut head = format!("apiVersion: {API}/v1\nkind: {kind}\nmetadata:\n  name: {}\n", text(name));
        if let Some(namespace) = namespace {
            head += &format!("  namespace: {}\n", text(namespace));
        }
        head
    };
    if !out.is_empty() {
        out.push_str("---\n");
    }
    out.push_str(&head(kind));
    out.push_str("rules:\n");
    for rule in rules(permissions) {
        match rule.group {
            Some(group) => {
                let _ = writeln!(out, "- apiGroups: [{}]\n  resources: [{}]", text(group), list(rule.names));
            }
            None => {
                let _ = writeln!(out, "- nonResourceURLs: [{}]", list(rule.names));
            }
        }
        let _ = writeln!(out, "  verbs: [{}]", list(rule.verbs));
    }
    let _ = write!(out, "---\n{}", head(&format!("{kind}Binding")));
    let _ = writeln!(out, "roleRef:\n  apiGroup: {API}\n  kind: {kind}\n  name: {}\nsubjects:", text(name));
    let account = user.strip_prefix("system:serviceaccount:").and_then(|account| account.split_once(':'));
    let _ = match account {
        Some((namespace, account)) => writeln!(
            out,
            "- kind: ServiceAccount\n  name: {}\n  namespace: {}",
            text(account),
            text(namespace)
        ),
        None => writeln!(out, "- apiGroup: {API}\n  kind: User\n  name: {}", text(user)),
    };
}

/// A rule of a role.
struct Rule<'a> {
    /// The API group; none for paths.
    group: Option<&'a str>,
    /// Resources or paths.
    names: BTreeSet<&'a str>,
    verbs: BTreeSet<&'a str>,
}

/// Few rules that grant permissions of one scope, and nothing else: resources of a group with the same verbs are one.
fn rules<'a>(permissions: &[&'a Permission]) -> Vec<Rule<'a>> {
    let mut verbs: BTreeMap<(Option<&str>, &str), BTreeSet<&str>> = BTreeMap::new();
    for permission in permissions {
        let object = match &permission.object {
            Object::Resource { group, name } => (Some(group.as_str()), name.as_str()),
            Object::Path(path) => (None, path.as_str()),
        };
        verbs.entry(object).or_default().insert(&permission.verb);
    }
    let mut names: BTreeMap<(Option<&str>, BTreeSet<&str>), BTreeSet<&str>> = BTreeMap::new();
    for ((group, name), verbs) in verbs {
        names.entry((group, verbs)).or_default().insert(name);
    }
    names.into_iter().map(|((group, verbs), names)| Rule { group, names, verbs }).collect()
}

/// A YAML scalar. Names of users may have anything in them, and a JSON string is one of YAML too.
fn text(value: &str) -> String {
    let safe = value.starts_with(|first: char| first.is_ascii_lowercase())
        && value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-./".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&value);
    if safe { value.to_owned() } else { serde_json::Value::from(value).to_string() }
}

fn list(values: BTreeSet<&str>) -> String {
    values.into_iter().map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_words_are_understood() {
        let denied = Denied::from_message(
            "virtualservices.networking.istio.io \"reviews\" is forbidden: User \"viewer\" cannot patch resource \
             \"virtualservices\" in API group \"networking.istio.io\" in the namespace \"shop\"",
        )
        .unwrap();
        assert_eq!(denied.user.as_deref(), Some("viewer"));
        assert_eq!(denied.permission, Permission::of(Verb::Patch, Kind::VirtualService, Some("shop")));
        assert_eq!(
            denied.to_string(),
            "`viewer` may not patch virtualservices.networking.istio.io in the namespace `shop`: ask an administrator for a Role that \
             grants it"
        );
        let denied = Denied::from_message(
            "pods is forbidden: User \"a\" cannot list resource \"pods\" in API group \"\" at the cluster scope",
        )
        .unwrap();
        assert_eq!(denied.permission, Permission::of(Verb::List, Kind::Pod, None));
        let denied =
            Denied::from_message("forbidden: User \"system:anonymous\" cannot get path \"/apis\"").unwrap();
        assert_eq!(
            denied.to_string(),
            "`system:anonymous` may not get the path /apis: ask an administrator for a ClusterRole that grants it"
        );
    }

    #[test]
    fn other_words_are_not_guessed_at() {
        for message in [
            "",
            "admission webhook \"x\" denied the request: no",
            "User",
            "User \"a",
            "User \"a\" cannot",
            "User \"a\" cannot get resource pods",
            "User \"a\" cannot get resource \"pods\" somewhere",
        ] {
            assert_eq!(Denied::from_message(message), None, "{message}");
        }
    }

    #[test]
    fn a_missing_permission_has_its_role() {
        let denied = Denied {
            user: Some("viewer".to_owned()),
            permission: Permission::of(Verb::Patch, Kind::VirtualService, Some("shop")),
        };
        assert_eq!(
            denied.role(),
            "apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: meshwright-patch-virtualservices
  namespace: shop
rules:
- apiGroups: [networking.istio.io]
  resources: [virtualservices]
  verbs: [patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: meshwright-patch-virtualservices
  namespace: shop
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: meshwright-patch-virtualservices
subjects:
- apiGroup: rbac.authorization.k8s.io
  kind: User
  name: viewer
"
        );
    }

    #[test]
    fn what_has_the_same_verbs_is_one_rule() {
        let permissions = [
            Permission::of(Verb::List, Kind::Pod, None),
            Permission::of(Verb::Watch, Kind::Pod, None),
            Permission::of(Verb::List, Kind::Service, Some("a")),
            Permission::of(Verb::List, Kind::Namespace, Some("a")),
            Permission::of(Verb::Watch, Kind::Service, None),
            Permission::of(Verb::List, Kind::Service, None),
        ];
        let yaml = roles("meshwright", Some("system:serviceaccount:tools:mesh"), &permissions);
        assert!(
            yaml.contains("- apiGroups: [\"\"]\n  resources: [pods, services]\n  verbs: [list, watch]\n"),
            "{yaml}"
        );
        assert!(yaml.contains("- apiGroups: [\"\"]\n  resources: [namespaces]\n  verbs: [list]\n"), "{yaml}");
        assert_eq!(
            yaml.matches("- kind: ServiceAccount\n  name: mesh\n  namespace: tools\n").count(),
            2,
            "{yaml}"
        );
        assert_eq!(yaml.matches("kind: ClusterRole\n").count(), 2, "{yaml}");
        assert_eq!(yaml.split("---\n").count(), 4, "{yaml}");
    }

    #[test]
    fn no_name_breaks_out_of_its_place() {
        let name = "x\n- kind: Group\n  name: \"system:masters\" # ";
        let yaml = roles("meshwright", Some(name), &[Permission::of(Verb::List, Kind::Pod, None)]);
        let last = serde_yaml::from_multiple::<serde_json::Value>(&yaml).unwrap().pop().unwrap();
        assert_eq!(last["subjects"].as_array().unwrap().len(), 1);
        assert_eq!(last["subjects"][0]["name"], name);
    }
}
