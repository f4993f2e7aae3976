//! Reading what the other side sent, with little code. serde makes two readers of each struct, one for fields by name and
//! one for fields in order. This one looks the names up by itself and hands the fields over in order, so the larger of
//! the two never gets into the page.

use std::slice;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Map, Value};

/// Reads JSON.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    from_value(serde_json::from_str(text)?)
}

/// Reads a value.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Reader(value))
}

/// A value to be read.
struct Reader(Value);

impl Reader {
    /// What is said of a value that is not what was expected.
    #[cold]
    fn unexpected(&self, expected: &'static str) -> Error {
        let found = match &self.0 {
            Value::Null => Unexpected::Unit,
            Value::Bool(bool) => Unexpected::Bool(*bool),
            Value::Number(_) => Unexpected::Other("number"),
            Value::String(text) => Unexpected::Str(text),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        };
        Error::invalid_type(found, &expected)
    }
}

impl IntoDeserializer<'_, Error> for Reader {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Reader {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
            plain => plain.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(map) => visitor.visit_seq(Fields { map, names: fields.iter() }),
            _ => Err(self.unexpected("an object")),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Reader))),
            _ => Err(self.unexpected("an array")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(map) => visitor
                .visit_map(MapDeserializer::new(map.into_iter().map(|(key, value)| (key, Reader(value))))),
            _ => Err(self.unexpected("an object")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(text) => visitor.visit_string(text),
            _ => Err(self.unexpected("a string")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple_struct
        identifier ignored_any
    }
}

/// The fields of a struct, in the order in which its type has them.
struct Fields {
    map: Map<String, Value>,
    names: slice::Iter<'static, &'static str>,
}

impl<'de> SeqAccess<'de> for Fields {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(name) = self.names.next() else { return Ok(None) };
        let Some(value) = self.map.remove(*name) else {
            // What is missing is nothing, for a field that may be nothing; any other has its default, or is missed.
            return Ok(seed.deserialize(Reader(Value::Null)).ok());
        };
        seed.deserialize(Reader(value))
            .map(Some)
            .map_err(|error| Error::custom(format_args!("{name}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Plain,
        With(u8),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct All {
        number: u64,
        real: f64,
        text: String,
        maybe: Option<i64>,
        #[serde(default)]
        list: Vec<(String, Kind)>,
        #[serde(default)]
        map: BTreeMap<String, Option<bool>>,
        raw: Value,
    }

    #[test]
    fn it_reads_what_serde_json_reads() {
        let least = json!({ "number": 1, "real": 2, "text": "t", "raw": null });
        let most = json!({
            "unknown": [], "raw": { "a": [1, "b"] }, "map": { "x": true, "y": null },
            "list": [["p", "plain"], ["w", { "with": 3 }]], "maybe": -4, "text": "", "real": 0.5, "number": u64::MAX,
        });
        for value in [least, most] {
            let expected: All = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(from_value::<All>(value.clone()).unwrap(), expected);
            assert_eq!(from_str::<All>(&value.to_string()).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let good = json!({ "number": 1, "real": 2, "text": "t", "raw": null });
        for (field, wrong, said) in [
            ("number", json!("x"), "number: invalid type: string \"x\""),
            ("number", json!(-1), "number: invalid value: integer `-1`"),
            ("text", json!(1), "text: invalid type: number, expected a string"),
            ("maybe", json!([]), "maybe: "),
            ("list", json!({}), "list: invalid type: map, expected an array"),
            ("list", json!([["p", "other"]]), "unknown variant `other`"),
        ] {
            let mut value = good.clone();
            value[field] = wrong;
            let error = from_value::<All>(value).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(from_value::<All>(json!({ "number": 1 })).is_err());
        assert!(from_value::<All>(json!([1, 2])).is_err());
    }
}
