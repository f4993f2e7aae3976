//! Which route is which when routes move: a rule that is put in front of another changes its position, and not what it is.

use std::collections::HashMap;

use xxhash_rust::xxh64::xxh64;

use crate::resource::HttpRoute;

/// A route within its VirtualService, whatever its position.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RouteId {
    /// Its name, where no other route of the VirtualService has the same.
    Name(String),
    /// A hash of what it matches and where it goes, without the weights; and its place among those that are alike in that.
    Content(u64, usize),
}

impl RouteId {
    /// Those of a VirtualService's `spec.http`, in its order.
    ///
    /// ```
    /// use mesh::RouteId;
    /// use mesh::resource::HttpRoute;
    ///
    /// let named = |name: &str| HttpRoute { name: Some(name.to_owned()), ..HttpRoute::default() };
    /// let before = RouteId::all(&[HttpRoute::default(), named("canary")]);
    /// let after = RouteId::all(&[named("new"), HttpRoute::default(), named("canary")]);
    /// assert_eq!(before, after[1..]);
    /// ```
    pub fn all(http: &[HttpRoute]) -> Vec<Self> {
        let mut names = HashMap::<&str, usize>::new();
        for name in http.iter().filter_map(|route| route.name.as_deref()) {
            *names.entry(name).or_default() += 1;
        }
        let mut alike = HashMap::<u64, usize>::new();
        let id = |route: &HttpRoute| match route.name.as_deref() {
            Some(name) if names.get(name) == Some(&1) => Self::Name(name.to_owned()),
            _ => {
                let hash = content(route);
                let place = alike.entry(hash).or_default();
                *place += 1;
                Self::Content(hash, *place - 1)
            }
        };
        http.iter().map(id).collect()
    }
}

fn content(route: &HttpRoute) -> u64 {
    let destinations: Vec<_> = route.route.iter().map(|weighted| &weighted.destination).collect();
    // Only maps with keys that are no strings fail, and resources have none.
    xxh64(&serde_json::to_vec(&(&route.r#match, destinations)).unwrap_or_default(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(http: &str) -> Vec<RouteId> {
        let http: Vec<HttpRoute> = serde_json::from_str(http).unwrap();
        RouteId::all(&http)
    }

    #[test]
    fn a_route_is_what_it_matches_and_where_it_goes() {
        let to = |host: &str, weight: u32| {
            format!(r#"{{"route": [{{"destination": {{"host": "{host}"}}, "weight": {weight}}}]}}"#)
        };
        let one = ids(&format!("[{}]", to("a", 90)));
        assert_eq!(one, ids(&format!("[{}]", to("a", 10))), "its weights change");
        assert_ne!(one, ids(&format!("[{}]", to("b", 90))));
        let both = ids(&format!("[{}, {}]", to("b", 1), to("a", 1)));
        assert_eq!(both[1], one[0], "it stands elsewhere");
        let twice = ids(&format!("[{0}, {0}]", to("a", 1)));
        assert_eq!(twice[0], one[0]);
        assert_ne!(twice[0], twice[1]);
        // The same in every run and on every machine.
        assert_eq!(ids("[{}]"), [RouteId::Content(3_525_769_360_510_099_239, 0)]);
    }

    #[test]
    fn a_name_that_is_no_others_is_an_identity() {
        let named = ids(r#"[{"name": "a"}, {"name": "b"}, {"name": "b"}]"#);
        assert_eq!(named[0], RouteId::Name("a".to_owned()));
        assert!(matches!(named[1..], [RouteId::Content(hash, 0), RouteId::Content(same, 1)] if hash == same));
    }
}
