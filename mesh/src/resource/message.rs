//! How messages are declared: every field optional or a collection, unknown ones kept.

use std::collections::BTreeMap;

/// Fields of a message that Meshwright does not understand, as they stand.
pub type Extra = BTreeMap<String, serde_json::Value>;

/// A value that is left out when it is written.
pub(crate) trait Absent {
    /// Whether there is nothing to write.
    fn is_absent(&self) -> bool;
}

impl<T> Absent for Option<T> {
    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T> Absent for Vec<T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl<K, V> Absent for BTreeMap<K, V> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

/// Declares messages of the API: structs in camel case whose fields may all be missing, with an `extra` for the rest.
macro_rules! messages {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(skip_serializing_if = "crate::resource::message::Absent::is_absent")]
                pub $field: $type,
            )*
            /// Fields that Meshwright does not understand, as they stand.
            #[serde(flatten)]
            pub extra: crate::resource::Extra,
        }

        impl crate::resource::walk::Walk for $name {
            fn walk(
                &self,
                at: &crate::resource::walk::At<'_>,
                see: &mut dyn FnMut(&crate::resource::walk::At<'_>, crate::resource::walk::Leaf<'_>),
            ) {
                $(crate::resource::walk::Walk::walk(&self.$field, &at.field(stringify!($field)), see);)*
                crate::resource::walk::walk_extra(&self.extra, at, see);
            }
        }
    )* };
}

/// Declares enums of the API that keep a value they do not know.
macro_rules! open_enums {
    ($($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)* })*) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)*
            /// A value that the API does not have, as written.
            Other(String),
        }

        impl $name {
            /// All values that the API has.
            pub const NAMES: &[&str] = &[$($text),*];

            /// The value as it stands in YAML.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                match text.as_str() {
                    $($text => Self::$variant,)*
                    _ => Self::Other(text),
                }
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }

        impl crate::resource::walk::Walk for $name {
            fn walk(
                &self,
                at: &crate::resource::walk::At<'_>,
                see: &mut dyn FnMut(&crate::resource::walk::At<'_>, crate::resource::walk::Leaf<'_>),
            ) {
                if let Self::Other(text) = self {
                    see(at, crate::resource::walk::Leaf::Enum(text, Self::NAMES));
                }
            }
        }
    )* };
}
