//! Where the routes are that were counted: positions change with revisions, and what was counted of a route stays its own.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use mesh::resource::{HttpRoute, Resource, Spec};
use mesh::{Mesh, RouteId, RouteKey};

/// Revisions that requests may still be counted under, the head among them.
const KEPT: usize = 4;

/// The identities of the routes of a revision, by the namespace and name of their VirtualServices.
type Ids = HashMap<(String, String), Arc<[RouteId]>>;

/// The routes of the last revisions.
#[derive(Debug, Default)]
pub(super) struct Routes {
    head: u64,
    /// Those of the head.
    now: Ids,
    /// The revisions before it, newest last, with what the next one changed of them.
    before: VecDeque<(u64, Ids)>,
}

impl Routes {
    /// A new head revision. `before` is the mesh of the last one.
    pub(super) fn set(&mut self, revision: u64, mesh: &Mesh, before: Option<&Mesh>) {
        let was = match before.and_then(|before| mesh.changes(before)) {
            Some(changes) => {
                let gone = changes.gone.iter().filter_map(|document| routes(document.resource()?));
                let was = gone.filter_map(|(place, _)| self.now.remove_entry(&place)).collect();
                let come = changes.come.iter().filter_map(|document| routes(document.resource()?));
                self.now.extend(come.map(|(place, http)| (place, RouteId::all(http).into())));
                was
            }
            None => {
                let all = mesh.resources().filter_map(routes);
                let all = all.map(|(place, http)| (place, RouteId::all(http).into())).collect();
                std::mem::replace(&mut self.now, all)
            }
        };
        self.before.push_back((std::mem::replace(&mut self.head, revision), was));
        if self.before.len() >= KEPT {
            self.before.pop_front();
        }
    }

    /// Where the route is now that a revision had there; `None` where it is gone. Of revisions and routes that are not known, positions
    /// are taken as they are.
    pub(super) fn now(&self, revision: u64, key: &RouteKey) -> Option<RouteKey> {
        let as_it_is = || Some(key.clone());
        let Some(then) = self.before.iter().position(|(number, _)| *number == revision) else {
            return as_it_is();
        };
        let place = (key.namespace.clone(), key.name.clone());
        let changed = self.before.range(then..).find_map(|(_, was)| was.get(&place));
        let Some(id) = changed.and_then(|ids| ids.get(key.index)) else { return as_it_is() };
        let index = self.now.get(&place)?.iter().position(|other| other == id)?;
        Some(RouteKey { index, ..key.clone() })
    }
}

/// The HTTP routes of a VirtualService, with its namespace and name.
fn routes(resource: &Resource) -> Option<((String, String), &[HttpRoute])> {
    let Spec::VirtualService(service) = &resource.spec else { return None };
    Some(((resource.key.namespace.clone(), resource.key.name.clone()), &service.http))
}
