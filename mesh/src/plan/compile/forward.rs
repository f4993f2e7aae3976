//! What a rule does: forward, redirect or answer.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::clusters::Clusters;
use super::defaults;
use super::headers::{operations, parts_per_million};
use super::scope::Scope;
use super::trace::Skip;
use crate::Settings;
use crate::plan::{
    Action, Destination, Direct, Forward, Mirror, Redirect, Retry, RetryOn, Rewrite, substitution,
};
use crate::resource::http::HttpDirectResponse;
use crate::resource::http::{DerivePort, HttpRedirect, HttpRetry, HttpRewrite, HttpRoute};

/// The action of a rule. A redirect beats an answer, and that beats destinations.
pub(super) fn action(
    http: &HttpRoute,
    scope: &Scope<'_>,
    clusters: &mut Clusters<'_>,
    settings: &Settings,
) -> Result<Action, Skip> {
    if let Some(to) = &http.redirect {
        return redirect(to, scope).map(|it| Action::Redirect(Box::new(it)));
    }
    if let Some(answer) = &http.direct_response {
        return direct(answer).map(|it| Action::Direct(Box::new(it))).ok_or(Skip::NoAction);
    }
    forward(http, scope, clusters, settings).map(|it| Action::Forward(Box::new(it)))
}

fn forward(
    http: &HttpRoute,
    scope: &Scope<'_>,
    clusters: &mut Clusters<'_>,
    settings: &Settings,
) -> Result<Forward, Skip> {
    let alone = http.route.len() == 1;
    let rewrite = http
        .rewrite
        .as_ref()
        .map(|it| rewrite(it, scope))
        .transpose()?
        .filter(|it| *it != Rewrite::default());
    let mut destinations = Vec::new();
    for entry in &http.route {
        let weight = entry.weight.unwrap_or(0).clamp(0, i64::from(u32::MAX));
        let weight = if alone { 1 } else { u32::try_from(weight).unwrap_or(u32::MAX) };
        let Some(destination) = entry.destination.as_ref().filter(|_| weight > 0) else { continue };
        let cluster = clusters.of_request(destination, scope.port);
        destinations.push(Destination { cluster, weight, headers: operations(entry.headers.as_ref()) });
    }
    if destinations.is_empty() {
        return Err(if http.route.is_empty() { Skip::NoAction } else { Skip::NoWeight });
    }
    let own = http.timeout.as_ref().and_then(|timeout| timeout.parse().ok());
    let timeout = match own {
        Some(timeout) => Some(timeout).filter(|it: &std::time::Duration| !it.is_zero()),
        None => settings.request_timeout(),
    };
    Ok(Forward {
        total_weight: destinations.iter().map(|it| u64::from(it.weight)).sum(),
        destinations,
        rewrite,
        timeout,
        mesh_timeout: own.is_none(),
        retries: http.retries.as_ref().map_or_else(|| Some(defaults::retry()), retry),
        mirrors: mirrors(http, scope, clusters),
    })
}

fn rewrite(it: &HttpRewrite, scope: &Scope<'_>) -> Result<Rewrite, Skip> {
    let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let regex = match &it.uri_regex_rewrite {
        None => None,
        Some(regex) => {
            let wanted = regex.r#match.as_deref().unwrap_or("");
            let pattern = scope.patterns.within(wanted).ok_or(Skip::Comparison)?;
            let by = substitution(regex.rewrite.as_deref().unwrap_or("")).ok_or(Skip::Comparison)?;
            Some((pattern, by))
        }
    };
    Ok(Rewrite { uri: set(&it.uri), regex, authority: set(&it.authority) })
}

fn retry(it: &HttpRetry) -> Option<Retry> {
    let attempts = it.attempts.unwrap_or(0);
    if attempts <= 0 {
        return None;
    }
    let duration = |text: &Option<crate::resource::DurationString>| {
        text.as_ref().and_then(|text| text.parse().ok()).filter(|it: &std::time::Duration| !it.is_zero())
    };
    let base = defaults::retry();
    Some(Retry {
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        per_try_timeout: duration(&it.per_try_timeout),
        on: it.retry_on.as_deref().filter(|on| !on.is_empty()).map_or(base.on, RetryOn::parse),
        back_off: duration(&it.backoff).unwrap_or(base.back_off),
        remote_localities: it.retry_remote_localities.unwrap_or(false),
        ignore_previous_hosts: it.retry_ignore_previous_hosts.unwrap_or(true),
    })
}

fn mirrors(http: &HttpRoute, scope: &Scope<'_>, clusters: &mut Clusters<'_>) -> Vec<Mirror> {
    const ALL: u32 = 1_000_000;
    let single = http.mirror.as_ref().map(|destination| {
        (destination, parts_per_million(http.mirror_percentage.as_ref(), http.mirror_percent).unwrap_or(ALL))
    });
    let several = http.mirrors.iter().filter_map(|mirror| {
        let share = parts_per_million(mirror.percentage.as_ref(), None).unwrap_or(ALL);
        Some((mirror.destination.as_ref()?, share))
    });
    let named = |to: &crate::resource::virtual_service::Destination| {
        to.host.as_ref().is_some_and(|host| !host.is_empty())
    };
    let on = single.into_iter().chain(several).filter(|(to, share)| *share > 0 && named(to));
    on.map(|(to, parts_per_million)| Mirror {
        cluster: clusters.of_request(to, scope.port),
        parts_per_million,
    })
    .collect()
}

fn redirect(it: &HttpRedirect, scope: &Scope<'_>) -> Result<Redirect, Skip> {
    let status = match it.redirect_code.unwrap_or(0) {
        0 => 301,
        code @ (301 | 302 | 303 | 307 | 308) => u16::try_from(code).map_err(|_| Skip::RedirectStatus)?,
        _ => return Err(Skip::RedirectStatus),
    };
    let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let prefix =
        set(&it.prefix_rewrite).or_else(|| it.uri.as_deref()?.strip_prefix("%PREFIX()%").map(str::to_owned));
    let port_from_request = it.derive_port == Some(DerivePort::FromRequestPort);
    let port = match it.port {
        Some(port) => u16::try_from(port).ok().filter(|port| *port > 0),
        None => port_from_request.then_some(scope.port),
    };
    let scheme = set(&it.scheme);
    let default = match scheme.as_deref().unwrap_or(if scope.tls { "https" } else { "http" }) {
        "https" => 443,
        _ => 80,
    };
    Ok(Redirect {
        replace_prefix: prefix.is_some(),
        uri: prefix.or_else(|| set(&it.uri)),
        authority: set(&it.authority),
        scheme,
        port: port.filter(|port| *port != default),
        port_from_request,
        status,
    })
}

fn direct(it: &HttpDirectResponse) -> Option<Direct> {
    let status =
        it.status.and_then(|status| u16::try_from(status).ok()).filter(|it| (200..600).contains(it))?;
    let body = it.body.as_ref().map_or_else(Vec::new, |body| match (&body.string, &body.bytes) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(bytes)) => BASE64_STANDARD.decode(bytes).unwrap_or_default(),
        (None, None) => Vec::new(),
    });
    Some(Direct { status, body })
}
