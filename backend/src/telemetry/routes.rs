//! Where the routes are that were counted: positions change with revisions, and what was counted of a route stays its own.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use mesh::{Mesh, RouteId, RouteKey};

/// Revisions that requests may still be counted under.
const KEPT: usize = 4;

/// The identities of the routes of a revision, by the namespace and name of their VirtualServices.
type Ids = HashMap<(String, String), Arc<[RouteId]>>;

/// The routes of the last revisions.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// Newest last.
    revisions: VecDeque<(u64, Ids)>,
}

impl Routes {
    /// A new head revision. `before` is the mesh of the last one: what did not change is taken over.
    pub(super) fn set(&mut self, revision: u64, mesh: &Mesh, before: Option<&Mesh>) {
        let last = self.revisions.back().map(|(_, ids)| ids);
        let old: HashMap<_, _> = before
            .iter()
            .flat_map(|mesh| mesh.virtual_services())
            .map(|(it, spec)| (&it.key, spec))
            .collect();
        let ids = mesh.virtual_services().map(|(resource, spec)| {
            let place = (resource.key.namespace.clone(), resource.key.name.clone());
            let same = old.get(&resource.key).is_some_and(|old| old.http == spec.http);
            let known = last.filter(|_| same).and_then(|ids| ids.get(&place)).cloned();
            (place, known.unwrap_or_else(|| RouteId::all(&spec.http).into()))
        });
        let ids = ids.collect();
        self.revisions.push_back((revision, ids));
        if self.revisions.len() > KEPT {
            self.revisions.pop_front();
        }
    }

    /// Where the route is now that a revision had there; `None` where it is gone. Of revisions and routes that are not known, positions
    /// are taken as they are.
    pub(super) fn now(&self, revision: u64, key: &RouteKey) -> Option<RouteKey> {
        let as_it_is = || Some(key.clone());
        let Some((head, now)) = self.revisions.back() else { return as_it_is() };
        let then = self.revisions.iter().find(|(number, _)| *number == revision && revision != *head);
        let Some((_, then)) = then else { return as_it_is() };
        let place = (key.namespace.clone(), key.name.clone());
        let Some(id) = then.get(&place).and_then(|ids| ids.get(key.index)) else { return as_it_is() };
        let index = now.get(&place)?.iter().position(|other| other == id)?;
        Some(RouteKey { index, ..key.clone() })
    }
}
