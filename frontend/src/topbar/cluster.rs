//! The cluster that the mesh is of: its context and namespaces, and what may not be written.

use crate::prelude::*;
use api::state::ClusterInfo;

use crate::topbar::menu::Menu;

/// A chip that opens what is known of the cluster.
pub fn chip(cluster: &ClusterInfo) -> impl IntoView + use<> {
    let namespaces = namespaces(&cluster.namespaces);
    let (context, read_only) = (cluster.context.clone(), !cluster.may_write);
    let button = {
        let (context, namespaces) = (context.clone(), namespaces.clone());
        move || {
            view! {
                <span class="wide">"cluster "</span>
                <b>{context.clone()}</b>
                <span class="wide quiet">{namespaces.clone()}</span>
                {read_only.then_some(view! { <span class="quiet">"read only"</span> })}
            }
            .into_any()
        }
    };
    let facts = [
        ("Context", context),
        ("Namespaces", namespaces),
        ("API server", cluster.server.clone()),
        ("Version", cluster.version.clone()),
    ];
    let denied = cluster.read_only.clone();
    view! {
        <Menu label="The cluster" class="chip" button=button>
            <ul class="nodes">
                {facts.iter().map(|(name, value)| view! { <li><span class="quiet">{*name}</span><b>{value.clone()}</b></li> }).collect_view()}
                {denied.iter().map(|why| view! { <li><p>{why.clone()}</p></li> }).collect_view()}
            </ul>
        </Menu>
    }
}

fn namespaces(names: &[String]) -> String {
    match names {
        [] => "all namespaces".to_owned(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn few_namespaces_are_named() {
        let names =
            |names: &[&str]| super::namespaces(&names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&[]), "all namespaces");
        assert_eq!(names(&["shop"]), "shop");
        assert_eq!(names(&["shop", "pay", "web"]), "shop and 2 more");
    }
}
