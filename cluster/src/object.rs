//! Objects of the cluster that are kept as documents: YAML in kubectl's order, without what only the server writes.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::core::DynamicObject;
use mesh::yaml;
use mesh::{Kind, ResourceKey};
use serde_json::Value;

use crate::MANAGER;

/// Fields of `metadata` that the server writes for itself. `creationTimestamp` stays: it decides which of two resources counts.
const OF_THE_SERVER: [&str; 7] = [
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// An object of the cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// What names it.
    pub key: ResourceKey,
    /// As a document.
    pub value: Value,
    /// Which object of this name it is.
    pub uid: String,
    /// Which state of it.
    pub resource_version: String,
    /// Who owns which of its fields.
    pub managed: Vec<ManagedFieldsEntry>,
}

/// Who wrote an object last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// The field manager.
    pub manager: String,
    /// When, in milliseconds since 1970.
    pub at: i64,
}

impl Object {
    /// An object as the server tells it; `None` where it has no name.
    pub fn of(kind: Kind, object: DynamicObject) -> Option<Self> {
        let name = object.metadata.name.clone()?;
        let namespace = object.metadata.namespace.clone().unwrap_or_default();
        let managed = object.metadata.managed_fields.clone().unwrap_or_default();
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let resource_version = object.metadata.resource_version.clone().unwrap_or_default();
        let mut value = serde_json::to_value(object).ok()?;
        clean(&mut value);
        Some(Self { key: ResourceKey::new(kind, namespace, name), value, uid, resource_version, managed })
    }

    /// Its document.
    pub fn text(&self) -> String {
        yaml::document_by_name(&self.value)
    }

    /// The file that it is kept in.
    pub fn file(&self) -> String {
        file(&self.key)
    }

    /// Who wrote it last, if that is known. What is said of its status does not count.
    pub fn writer(&self) -> Option<Writer> {
        let entries =
            self.managed.iter().filter(|it| it.subresource.as_deref().unwrap_or_default().is_empty());
        let times =
            entries.filter_map(|it| Some((it.manager.as_ref()?, it.time.as_ref()?.0.as_millisecond())));
        // Times are of whole seconds; this program's own writes are told by itself.
        let (manager, at) = times.max_by_key(|(manager, at)| (*at, manager.as_str() != MANAGER))?;
        Some(Writer { manager: manager.clone(), at })
    }

    /// Whether a document says the same. When it was created does not count where the document does not say it: nobody writes that.
    pub fn says(&self, document: &Value) -> bool {
        let mut document = document.clone();
        clean(&mut document);
        let unsaid = |value: &Value| value["metadata"]["creationTimestamp"].is_null();
        if !unsaid(&document) {
            return same(&document, &self.value);
        }
        let mut value = self.value.clone();
        remove(&mut value["metadata"], "creationTimestamp");
        remove(&mut document["metadata"], "creationTimestamp");
        if document["metadata"]["namespace"].is_null() {
            remove(&mut value["metadata"], "namespace");
        }
        same(&document, &value)
    }
}

/// The file that an object is kept in.
pub fn file(key: &ResourceKey) -> String {
    format!("{}/{}-{}.yaml", key.namespace, key.kind.as_str().to_ascii_lowercase(), key.name)
}

/// Takes out of a document what only the server writes.
pub fn clean(value: &mut Value) {
    remove(value, "status");
    for field in OF_THE_SERVER {
        remove(&mut value["metadata"], field);
    }
}

fn remove(value: &mut Value, field: &str) {
    if let Value::Object(fields) = value {
        fields.remove(field);
    }
}

/// Whether two documents say the same: fields that are `null` or empty maps of `metadata` do not count, the server does not keep them.
fn same(one: &Value, other: &Value) -> bool {
    let lean = |value: &Value| -> Option<BTreeMap<String, Value>> {
        let mut fields: BTreeMap<_, _> = value.as_object()?.clone().into_iter().collect();
        if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
            metadata
                .retain(|_, value| !value.is_null() && value.as_object().is_none_or(|map| !map.is_empty()));
        }
        // The server may be asked for one version and have been told another.
        fields.remove("apiVersion");
        fields.retain(|_, value| !value.is_null());
        Some(fields)
    };
    lean(one) == lean(other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object() -> Object {
        let object = json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {
                "name": "reviews", "namespace": "shop", "uid": "u", "resourceVersion": "7", "generation": 3,
                "creationTimestamp": "2026-01-02T03:04:05Z",
                "managedFields": [
                    {"manager": "kubectl", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
                     "fieldsV1": {}, "time": "2026-01-02T03:04:05Z"},
                    {"manager": "kiali", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
                     "fieldsV1": {}, "time": "2026-01-03T03:04:05Z"},
                    {"manager": "istiod", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
                     "fieldsV1": {}, "time": "2026-01-04T03:04:05Z", "subresource": "status"},
                ],
            },
            "spec": {"hosts": ["reviews"]},
            "status": {"observedGeneration": "3"},
        });
        Object::of(Kind::VirtualService, serde_json::from_value(object).unwrap()).unwrap()
    }

    #[test]
    fn a_document_has_what_people_write() {
        let object = object();
        assert_eq!((object.uid.as_str(), object.resource_version.as_str()), ("u", "7"));
        assert_eq!(object.file(), "shop/virtualservice-reviews.yaml");
        assert_eq!(
            object.text(),
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  \
             creationTimestamp: \"2026-01-02T03:04:05Z\"\n  name: reviews\n  namespace: shop\nspec:\n  hosts:\n  - reviews\n"
        );
        assert_eq!(object.writer().unwrap().manager, "kiali");
    }

    #[test]
    fn what_the_server_adds_is_no_difference() {
        let document = |metadata: Value| {
            json!({"apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService",
            "metadata": metadata, "spec": {"hosts": ["reviews"]}})
        };
        let object = object();
        assert!(object.says(&object.value));
        assert!(object.says(&document(json!({"name": "reviews", "namespace": "shop", "labels": {}}))));
        assert!(object.says(&document(json!({"name": "reviews", "resourceVersion": "1"}))));
        assert!(!object.says(&document(json!({"name": "reviews", "labels": {"a": "b"}}))));
        let mut other = object.value.clone();
        other["spec"]["hosts"][0] = json!("ratings");
        assert!(!object.says(&other));
    }
}
