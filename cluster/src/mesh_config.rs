//! Istio's mesh configuration, as far as it says what holds where resources say nothing.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use mesh::Settings;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::connect::Connection;

/// Where Istio keeps it, unless its control plane has a revision or a namespace of its own.
const NAMESPACE: &str = "istio-system";
const NAME: &str = "istio";
const KEY: &str = "mesh";
/// Longest text that is read.
const LONGEST: usize = 1 << 20;

/// The mesh's defaults: Istio's, but for what its configuration says. Where that may not be read, or is not there, Istio's.
pub async fn settings(connection: &Connection) -> Settings {
    let maps: Api<ConfigMap> = Api::namespaced(connection.client.clone(), NAMESPACE);
    match maps.get_opt(NAME).await {
        Ok(Some(map)) => map.data.and_then(|data| data.get(KEY).map(|text| of(text))).unwrap_or_default(),
        Ok(None) => Settings::default(),
        Err(error) => {
            let why = crate::words::of(&error);
            tracing::warn!(why, "Istio's mesh configuration cannot be read: its defaults count");
            Settings::default()
        }
    }
}

/// The settings of a configuration's text.
fn of(text: &str) -> Settings {
    let mut settings = Settings::default();
    let read = (text.len() <= LONGEST).then(|| serde_yaml::from_str::<Value>(text).ok()).flatten();
    let Some(config) = read else {
        tracing::warn!("Istio's mesh configuration is not YAML: its defaults count");
        return settings;
    };
    set(&mut settings.root_namespace, &config["rootNamespace"]);
    set(&mut settings.outbound_policy, &config["outboundTrafficPolicy"]["mode"]);
    set(&mut settings.path_normalization, &config["pathNormalization"]["normalization"]);
    settings
}

/// Sets what is there and understood.
fn set<T: DeserializeOwned>(to: &mut T, value: &Value) {
    if let Some(value) = Some(value).filter(|it| !it.is_null()).and_then(|it| T::deserialize(it).ok()) {
        *to = value;
    }
}

#[cfg(test)]
mod tests {
    use mesh::PathNormalization;
    use mesh::settings::OutboundPolicy;

    use super::*;

    #[test]
    fn what_it_says_counts_and_the_rest_is_istios() {
        let text = "rootNamespace: config\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}\ntrustDomain: cluster.local\n\
                    pathNormalization:\n  normalization: MERGE_SLASHES\n";
        let settings = of(text);
        assert_eq!(settings.root_namespace, "config");
        assert_eq!(settings.outbound_policy, OutboundPolicy::RegistryOnly);
        assert_eq!(settings.path_normalization, PathNormalization::MergeSlashes);
        for nothing in
            ["", "- a\n", "rootNamespace: [a]\n", "outboundTrafficPolicy: {mode: SOON}\n", "a: [\n"]
        {
            assert_eq!(of(nothing), Settings::default(), "{nothing:?}");
        }
    }
}
