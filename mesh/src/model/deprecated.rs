//! Old forms that are read and reported, each with its upgrade.

use serde_json::{Value, json};

use crate::Severity;
use crate::resource::http::{FaultAbort, FaultDelay};
use crate::resource::{Gateway, Percent, Resource, Spec, VirtualService};
use crate::yaml::Path;

use super::lenient::Findings;

const OLD_VERSION: &str = "networking.istio.io/v1alpha3";

/// Looks for old forms in a resource. `value` is the resource as written.
pub(super) fn look(resource: &mut Resource, value: &Value, found: &mut Findings<'_>) {
    let old = resource.api_version == OLD_VERSION;
    if old {
        let path = Path::default().key("apiVersion");
        let fix = (
            "Upgrade to networking.istio.io/v1",
            vec![(path.clone(), Some(json!("networking.istio.io/v1")))],
        );
        let message = "`v1alpha3` is deprecated; it is read like `networking.istio.io/v1`.".to_owned();
        found.add_with("MW0020", Severity::Info, &path, message, Some(fix));
    }
    let spec = Path::default().key("spec");
    match &mut resource.spec {
        Spec::VirtualService(service) => virtual_service(service, value, old, &spec, found),
        Spec::Gateway(gateway) => certificates(gateway, &spec, found),
        _ => {}
    }
}

fn virtual_service(
    service: &mut VirtualService,
    value: &Value,
    old: bool,
    spec: &Path,
    found: &mut Findings<'_>,
) {
    for (at, route) in service.http.iter_mut().enumerate() {
        let path = spec.key("http").index(at);
        if let Some(percent) = route.mirror_percent {
            // The definition of the resource has the name in both spellings.
            let raw = value.pointer(&format!("/spec/http/{at}"));
            let snake = raw.is_some_and(|route| route.get("mirror_percent").is_some());
            let name = if snake { "mirror_percent" } else { "mirrorPercent" };
            let upgraded = (route.mirror_percentage.is_none()).then(|| path.key("mirrorPercentage"));
            old_percent("MW0022", &path, name, upgraded, percent, found);
        }
        let Some(fault) = &mut route.fault else { continue };
        let path = path.key("fault");
        if let Some(FaultDelay { percentage, percent, .. }) = &mut fault.delay {
            fault_percent(percentage, *percent, old, &path.key("delay"), found);
        }
        if let Some(FaultAbort { percentage, percent, .. }) = &mut fault.abort {
            let path = path.key("abort");
            match percent {
                Some(percent) if percentage.is_none() => dropped_percent(&path, *percent, found),
                _ => fault_percent(percentage, *percent, old, &path, found),
            }
        }
    }
}

/// `percent` of an abort, which no custom resource definition has any more: Kubernetes prunes it silently.
fn dropped_percent(path: &Path, percent: i64, found: &mut Findings<'_>) {
    let place = path.key("percent");
    let fields = vec![(place.clone(), None), (path.key("percentage"), Some(json!({ "value": percent })))];
    let message = format!(
        "`percent` is no longer in the API: it is read here as a `percentage` of {percent}, but Istio ignores it and aborts nothing."
    );
    found.add_with("MW0025", Severity::Warning, &place, message, Some(("Upgrade to a percentage", fields)));
}

fn fault_percent(
    percentage: &mut Option<Percent>,
    percent: Option<i64>,
    old: bool,
    path: &Path,
    found: &mut Findings<'_>,
) {
    if let Some(percent) = percent {
        let upgraded = percentage.is_none().then(|| path.key("percentage"));
        old_percent("MW0021", path, "percent", upgraded, percent, found);
    } else if old && percentage.is_none() {
        *percentage = Some(Percent::new(100.0));
        let fix = ("Write 100 %", vec![(path.key("percentage"), Some(json!({ "value": 100 })))]);
        let message = "Without a percentage all requests are affected here, as in `v1alpha3`; current versions of Istio inject nothing.";
        found.add_with("MW0024", Severity::Warning, path, message.to_owned(), Some(fix));
    }
}

/// `name: 10` at `path` becomes `value: 10` at `upgraded`, which is `None` where that is there already and wins.
fn old_percent(
    code: &'static str,
    path: &Path,
    name: &str,
    upgraded: Option<Path>,
    percent: i64,
    found: &mut Findings<'_>,
) {
    let place = path.key(name);
    let mut fields = vec![(place.clone(), None)];
    let new = if code == "MW0022" { "mirrorPercentage" } else { "percentage" };
    let (message, title) = match upgraded {
        Some(upgraded) => {
            fields.push((upgraded, Some(json!({ "value": percent }))));
            (
                format!("`{name}` is deprecated; it is read as a `{new}` of {percent}."),
                "Upgrade to a percentage",
            )
        }
        None => (format!("`{name}` is deprecated, and has no effect beside `{new}`."), "Remove it"),
    };
    found.add_with(code, Severity::Info, &place, message, Some((title, fields)));
}

fn certificates(gateway: &Gateway, spec: &Path, found: &mut Findings<'_>) {
    for (at, server) in gateway.servers.iter().enumerate() {
        let Some(tls) = &server.tls else { continue };
        let Some(certificate) = &tls.server_certificate else { continue };
        let path = spec.key("servers").index(at).key("tls");
        let mut pair = json!({ "serverCertificate": certificate });
        let mut fields = vec![(path.key("serverCertificate"), None)];
        if let Some(key) = &tls.private_key {
            pair["privateKey"] = json!(key);
            fields.push((path.key("privateKey"), None));
        }
        fields.push((path.key("tlsCertificates"), Some(json!([pair]))));
        let title = "Upgrade to tlsCertificates";
        // What is named there already wins, and a fix would have to choose.
        let free = tls.tls_certificates.is_empty()
            && tls.credential_name.is_none()
            && tls.credential_names.is_empty();
        let message = "`serverCertificate` names a file in the gateway's container, the old form of `tlsCertificates`; \
                       `credentialName` takes it from a Secret.";
        let place = path.key("serverCertificate");
        found.add_with("MW0023", Severity::Info, &place, message.to_owned(), free.then_some((title, fields)));
    }
}
