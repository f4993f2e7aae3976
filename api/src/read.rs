//! Reading what the other side sent, with little code. serde makes two readers of each struct, one for fields by name and
//! one for fields in order. This one looks the names up by itself and hands the fields over in order, so the larger of
//! the two never gets into the page.

use std::fmt::{self, Display};
use std::{slice, vec};

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value, map};

/// Why something cannot be read.
///
/// It is boxed: each reader of a type hands it on, and a pointer is handed on with the least code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(Box<Message>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Message(String);

impl Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error {
    #[cold]
    fn said(message: String) -> Self {
        Self(Box::new(Message(message)))
    }

    /// With the name of the field where it happened.
    #[cold]
    fn within(self, field: &str) -> Self {
        Self::said(format!("{field}: {self}"))
    }
}

impl serde::de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self::said(message.to_string())
    }

    /// In serde's words, without what it needs for printing values of all kinds.
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::said(format!("invalid type: {}, expected {expected}", kind(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::said(format!("invalid value: {}, expected {expected}", kind(found)))
    }
}

fn kind(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Unit => "null".to_owned(),
        Unexpected::Bool(truth) => format!("boolean `{truth}`"),
        Unexpected::Unsigned(number) => format!("integer `{number}`"),
        Unexpected::Signed(number) => format!("integer `{number}`"),
        Unexpected::Float(number) => format!("floating point `{number}`"),
        Unexpected::Str(text) => format!("string \"{text}\""),
        Unexpected::Seq => "sequence".to_owned(),
        Unexpected::Map => "map".to_owned(),
        Unexpected::Other(what) => what.to_owned(),
        _ => "another".to_owned(),
    }
}

/// Reads JSON.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    from_value(mesh::json::read(text).map_err(Error::custom)?)
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

macro_rules! numbers {
    ($($name:ident)*) => { $(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.deserialize_f64(visitor)
        }
    )* };
}

impl<'de> Deserializer<'de> for Reader {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(truth),
            Value::Number(_) => self.deserialize_f64(visitor),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.0.as_bool().map_or_else(|| Err(self.unexpected("a boolean")), |truth| visitor.visit_bool(truth))
    }

    /// A number of any kind: the visitor says whether it is the right one.
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::Number(number) = &self.0 else { return Err(self.unexpected("a number")) };
        if let Some(number) = number.as_u64() {
            return visitor.visit_u64(number);
        }
        match number.as_i64() {
            Some(number) => visitor.visit_i64(number),
            None => visitor.visit_f64(number.as_f64().unwrap_or_default()),
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
            Value::Array(items) => visitor.visit_seq(Items(items.into_iter())),
            _ => Err(self.unexpected("an array")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(map) => visitor.visit_map(Entries { entries: map.into_iter(), value: Value::Null }),
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
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(Variant { name, value: Value::Null }),
            Value::Object(map) if map.len() == 1 => {
                let (name, value) = map.into_iter().next().unwrap_or_default();
                visitor.visit_enum(Variant { name, value })
            }
            _ => Err(self.unexpected("the name of a variant, or a map with it as its only key")),
        }
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_u64 deserialize_f32
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple_struct identifier ignored_any
    }
}

/// A variant of an enum, and its value if it has one.
struct Variant {
    name: String,
    value: Value,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Error;
    type Variant = Reader;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Reader), Error> {
        Ok((seed.deserialize(Reader(Value::String(self.name)))?, Reader(self.value)))
    }
}

impl<'de> VariantAccess<'de> for Reader {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        if self.0.is_null() { Ok(()) } else { Err(self.unexpected("nothing")) }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_struct("", fields, visitor)
    }
}

/// The entries of a list. How many there are is not said: each list would make room for them in advance.
struct Items(vec::IntoIter<Value>);

impl<'de> SeqAccess<'de> for Items {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.next().map(|value| seed.deserialize(Reader(value))).transpose()
    }
}

/// The entries of a map.
struct Entries {
    entries: map::IntoIter,
    /// That of the key that was read last.
    value: Value,
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = value;
        seed.deserialize(Reader(Value::String(key))).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Reader(self.value.take()))
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
        seed.deserialize(Reader(value)).map(Some).map_err(|error| error.within(name))
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
        Pair(u8, String),
        Named { at: i64 },
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
            "list": [["p", "plain"], ["w", { "with": 3 }], ["t", { "pair": [1, "a"] }], ["n", { "named": { "at": -1 } }]], "maybe": -4, "text": "", "real": 0.5, "number": u64::MAX,
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
            ("list", json!([["p", { "plain": 1 }]]), "expected nothing"),
            ("list", json!([["p", "with"]]), "invalid type: null"),
            ("list", json!([["p", 1]]), "expected the name of a variant"),
            ("list", json!([["p"]]), "invalid length 1"),
            ("map", json!({ "x": 1 }), "map: invalid type: number, expected a boolean"),
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
