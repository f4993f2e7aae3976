//! `exportTo`: which namespaces see a resource.

/// Who sees a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Visibility {
    /// All namespaces: `*`, which is also the default.
    #[default]
    Public,
    /// Nobody: `~`.
    None,
    /// The namespaces that are named; `.` is the resource's own.
    Namespaces(Vec<String>),
}

impl Visibility {
    /// Reads `exportTo`. `*` wins over all others, `~` over single namespaces.
    pub fn of(export_to: &[String]) -> Self {
        let has = |what: &str| export_to.iter().any(|entry| entry == what);
        if export_to.is_empty() || has("*") {
            Self::Public
        } else if has("~") {
            Self::None
        } else {
            Self::Namespaces(export_to.to_vec())
        }
    }

    /// Whether a namespace sees a resource of the namespace `own`.
    pub fn allows(&self, own: &str, namespace: &str) -> bool {
        match self {
            Self::Public => true,
            Self::None => false,
            Self::Namespaces(list) => {
                list.iter().any(|entry| entry == namespace || (entry == "." && own == namespace))
            }
        }
    }

    /// Which of two resources Istio puts first for a namespace that sees both: the one that is its own alone, then one
    /// that was exported to it by name, then a public one. (`virtualServiceIndex` of Istio's `push_context.go`.)
    pub fn closeness(&self, own: &str, namespace: &str) -> u8 {
        match self {
            Self::Namespaces(_) if own == namespace => 0,
            Self::Namespaces(_) => 1,
            Self::Public | Self::None => 2,
        }
    }
}
