//! What may be read and written on a cluster. What is not permitted narrows what is shown and offered; it is no error.

mod review;

use std::collections::{BTreeMap, BTreeSet};

use crate::connect::Connection;
use crate::error::Error;
use crate::kind::{Kind, Verb};
use crate::permission::{Denied, Permission};

/// Namespaces that are looked at, at most.
const NAMESPACES: usize = 200;

/// Namespaces that are looked at where the server does not list its rules, and each is a question of its own.
const ASKED: usize = 30;

/// Where something is permitted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    /// In the whole cluster.
    All,
    /// In some namespaces.
    Namespaces(BTreeSet<String>),
    /// Nowhere.
    #[default]
    None,
}

/// What may be read and written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// Who asks, as the server names him; older servers do not tell.
    pub user: Option<String>,
    /// The namespaces that are meant; all of them if there are none.
    pub namespaces: BTreeSet<String>,
    /// How many more namespaces there are than were looked at; nothing counts as permitted there.
    pub beyond: usize,
    grants: BTreeMap<(Kind, Verb), Scope>,
}

/// Asks the server what may be done.
pub async fn access(connection: &Connection) -> Result<Access, Error> {
    let mut access =
        Access { namespaces: connection.namespaces.iter().cloned().collect(), ..Access::default() };
    let everything = wanted();
    let (user, star, rules) = futures::join!(
        review::user(connection),
        review::everything(connection),
        review::rules(connection, &connection.namespace),
    );
    access.user = user;
    if star? {
        let scope = Scope::of(&access.namespaces);
        access.grants = everything.into_iter().map(|(kind, verb)| ((kind, verb), scope.clone())).collect();
        for verb in Verb::READ {
            access.grants.insert((Kind::Namespace, verb), Scope::All);
        }
        return Ok(access);
    }
    // A rule for the whole cluster holds in each namespace too: what is not permitted in this one is not permitted in all.
    let rules = rules?;
    let asked = |(kind, verb): &(Kind, Verb)| {
        (access.namespaces.is_empty() || !kind.is_namespaced()) && rules.may(*kind, *verb)
    };
    let (first, then): (Vec<_>, Vec<_>) =
        everything.iter().copied().filter(asked).partition(|(_, verb)| *verb == Verb::List);
    let mut all = review::allowed(connection, first, None).await?;
    // What may not be listed may hardly be written.
    let then = then.into_iter().filter(|(kind, _)| all.contains(&(*kind, Verb::List))).collect();
    all.extend(review::allowed(connection, then, None).await?);
    access.grants = all.iter().map(|found| (*found, Scope::All)).collect();

    let rest: Vec<(Kind, Verb)> =
        everything.into_iter().filter(|found| found.0.is_namespaced() && !all.contains(found)).collect();
    if !rest.is_empty() {
        let names = namespaces(connection, &mut access).await?;
        let found = review::in_namespaces(connection, &names, &rest).await?;
        access.beyond += found.unasked;
        for (name, granted) in found.granted {
            for grant in granted {
                access.grants.entry(grant).or_default().add(&name);
            }
        }
    }
    Ok(access)
}

/// What Meshwright would like to do.
fn wanted() -> Vec<(Kind, Verb)> {
    let read = Kind::ALL.into_iter().flat_map(|kind| Verb::READ.map(|verb| (kind, verb)));
    let write = Kind::ISTIO.into_iter().flat_map(|kind| Verb::WRITE.map(|verb| (kind, verb)));
    read.chain(write).collect()
}

/// The namespaces to look at: those that are meant, else those that may be listed, else the context's.
async fn namespaces(connection: &Connection, access: &mut Access) -> Result<Vec<String>, Error> {
    if !access.namespaces.is_empty() {
        return Ok(access.namespaces.iter().cloned().collect());
    }
    if access.grants.contains_key(&(Kind::Namespace, Verb::List)) {
        let (mut names, more) = review::namespaces(connection, NAMESPACES).await?;
        access.beyond = more;
        if !names.contains(&connection.namespace) {
            names.push(connection.namespace.clone());
        }
        return Ok(names);
    }
    Ok(vec![connection.namespace.clone()])
}

impl Scope {
    fn of(namespaces: &BTreeSet<String>) -> Self {
        if namespaces.is_empty() { Self::All } else { Self::Namespaces(namespaces.clone()) }
    }

    fn add(&mut self, namespace: &str) {
        match self {
            Self::All => {}
            Self::Namespaces(names) => drop(names.insert(namespace.to_owned())),
            Self::None => *self = Self::Namespaces(BTreeSet::from([namespace.to_owned()])),
        }
    }

    /// Whether a namespace is in it.
    pub fn covers(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Namespaces(names) => names.contains(namespace),
            Self::None => false,
        }
    }

    /// What both cover.
    fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, scope) | (scope, Self::All) => scope.clone(),
            (Self::Namespaces(a), Self::Namespaces(b)) => {
                let both: BTreeSet<String> = a.intersection(b).cloned().collect();
                if both.is_empty() { Self::None } else { Self::Namespaces(both) }
            }
            _ => Self::None,
        }
    }
}

impl Access {
    /// Where something may be done.
    pub fn scope(&self, verb: Verb, kind: Kind) -> &Scope {
        self.grants.get(&(kind, verb)).unwrap_or(&Scope::None)
    }

    /// Where a kind may be listed and watched.
    pub fn read(&self, kind: Kind) -> Scope {
        self.scope(Verb::List, kind).and(self.scope(Verb::Watch, kind))
    }

    /// Whether something may be done in a namespace. What is asked of a kind without namespaces is asked of the cluster.
    pub fn may(&self, verb: Verb, kind: Kind, namespace: &str) -> Result<(), Denied> {
        let scope = self.scope(verb, kind);
        let allowed = if kind.is_namespaced() { scope.covers(namespace) } else { *scope == Scope::All };
        if allowed {
            return Ok(());
        }
        Err(Denied { user: self.user.clone(), permission: Permission::of(verb, kind, Some(namespace)) })
    }

    /// Whether anything at all may be written.
    pub fn writes(&self) -> bool {
        self.grants.keys().any(|(_, verb)| Verb::WRITE.contains(verb))
    }

    /// What is not permitted and would be of use. `slices` says that endpoints come as slices, so that the older kind is not needed.
    pub fn missing(&self, slices: bool) -> Vec<Permission> {
        let unused = if slices { Kind::Endpoints } else { Kind::EndpointSlice };
        let mut missing = Vec::new();
        for (kind, verb) in wanted().into_iter().filter(|(kind, _)| *kind != unused) {
            let scope = self.scope(verb, kind);
            if self.namespaces.is_empty() || !kind.is_namespaced() {
                if *scope != Scope::All {
                    missing.push(Permission::of(verb, kind, None));
                }
                continue;
            }
            let names = self.namespaces.iter().filter(|name| !scope.covers(name));
            missing.extend(names.map(|name| Permission::of(verb, kind, Some(name))));
        }
        missing
    }
}

#[cfg(test)]
mod tests;
