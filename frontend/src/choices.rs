//! Which version a person chose for a route, remembered by the browser. Pure.

use mesh::edit::RouteTarget;

/// How many routes are remembered; the one that was chosen for longest ago goes first.
const MOST: usize = 200;

/// Versions by mesh and route, the latest choice last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choices(Vec<(String, String)>);

impl Choices {
    /// From what the browser kept; nothing where that cannot be read.
    pub fn read(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_default())
    }

    /// As the browser keeps it.
    pub fn write(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// The version that was chosen for a route.
    pub fn of(&self, mesh: &str, route: &RouteTarget) -> Option<&str> {
        let key = key(mesh, route);
        self.0.iter().find(|(of, _)| *of == key).map(|(_, version)| version.as_str())
    }

    /// Remembers a choice.
    pub fn choose(&mut self, mesh: &str, route: &RouteTarget, version: &str) {
        let key = key(mesh, route);
        self.0.retain(|(of, _)| *of != key);
        self.0.push((key, version.to_owned()));
        let over = self.0.len().saturating_sub(MOST);
        self.0.drain(..over);
    }
}

fn key(mesh: &str, route: &RouteTarget) -> String {
    serde_json::to_string(&(mesh, route)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use mesh::RouteKey;

    use super::*;

    #[test]
    fn the_last_choice_of_a_route_is_remembered() {
        let route = |index| RouteTarget::Route(RouteKey { namespace: "a".into(), name: "b".into(), index });
        let mut choices = Choices::default();
        choices.choose("shop", &route(0), "v1");
        choices.choose("shop", &route(1), "v2");
        choices.choose("shop", &route(0), "v3");
        let mut choices = Choices::read(&choices.write());
        assert_eq!(choices.of("shop", &route(0)), Some("v3"));
        assert_eq!(choices.of("shop", &route(1)), Some("v2"));
        assert_eq!(choices.of("other", &route(0)), None);
        for index in 2..=MOST + 1 {
            choices.choose("shop", &route(index), "v1");
        }
        assert_eq!(choices.0.len(), MOST);
        assert_eq!((choices.of("shop", &route(0)), choices.of("shop", &route(1))), (None, None));
        assert_eq!(Choices::read("{"), Choices::default());
    }
}
