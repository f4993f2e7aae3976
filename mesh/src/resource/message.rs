//! How messages are declared: every field optional or a collection, unknown ones kept.

/// Declares messages of the API: structs in camel case whose fields may all be missing, with an `extra` for the rest.
///
/// A scalar that is written with its zero value (`port: 0`, `uri: ""`) is absent, as in proto3: templates write those. Fields
/// marked `[present]`, wrapped numbers and members of a `oneof`, tell zero from nothing.
macro_rules! messages {
    ($($(#[$meta:meta])* $name:ident {
        $($(#[$field_meta:meta])* $field:ident $([$present:ident])? $(as $($key:literal)|+)?: $type:ty,)*
    })*) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                pub $field: $type,
            )*
            /// Fields that Meshwright does not understand, as they stand.
            pub extra: crate::resource::Extra,
        }

        impl $name {
            const FIELDS: &[crate::resource::field::Name] = &[
                $(crate::resource::field::Name {
                    field: stringify!($field),
                    keys: &[$($($key),+)?],
                    present: !stringify!($($present)?).is_empty(),
                }),*
            ];

            fn fields(&self) -> [&dyn crate::resource::field::Field; Self::FIELDS.len()] {
                [$(&self.$field),*]
            }
        }

        impl crate::resource::field::Typed for $name {
            fn fill(&mut self, value: &serde_json::Value) -> Result<(), crate::resource::field::Wrong> {
                crate::resource::field::read(value, Self::FIELDS, &mut [$(&mut self.$field),*], &mut self.extra)
            }

            fn write(&self) -> serde_json::Value {
                crate::resource::field::write(Self::FIELDS, &self.fields(), &self.extra)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                crate::resource::field::Typed::write(self).serialize(serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = serde_json::Value::deserialize(deserializer)?;
                crate::resource::field::Typed::read(&value).map_err(serde::de::Error::custom)
            }
        }

        impl crate::resource::walk::Walk for $name {
            fn walk(
                &self,
                at: &crate::resource::walk::At<'_>,
                see: &mut dyn FnMut(&crate::resource::walk::At<'_>, crate::resource::walk::Leaf<'_>),
            ) {
                crate::resource::field::walk(Self::FIELDS, &self.fields(), &self.extra, at, see);
            }
        }
    )* };
}

/// Declares enums of the API that keep a value they do not know.
macro_rules! open_enums {
    ($($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)* })*) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
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

        impl Default for $name {
            /// What nothing was read into yet.
            fn default() -> Self {
                Self::Other(String::new())
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

        impl crate::resource::field::Typed for $name {
            fn fill(&mut self, value: &serde_json::Value) -> Result<(), crate::resource::field::Wrong> {
                *self = Self::from(crate::resource::field::text(value)?);
                Ok(())
            }

            fn write(&self) -> serde_json::Value {
                serde_json::Value::from(self.as_str())
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
