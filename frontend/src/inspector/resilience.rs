//! Resilience: timeout and retries of a route, and the policy behind a service; what holds now and where it comes from.

use crate::prelude::*;
use mesh::Edit;
use mesh::edit::{RetrySpec, RouteTarget};
use mesh::settings::OutboundPolicy;

use crate::diff::DiffView;
use crate::inspector::api_field::ApiField;
use crate::inspector::faults::millis;
use crate::inspector::policy::Policy;
use crate::inspector::route_picker::{self, RoutePicker};
use crate::store::{Store, use_store};
use crate::subject::{RouteView, Subject};
use crate::topology::NodeId;
use crate::words::{self, seconds};

/// Istio's own policy for a route that sets none.
const DEFAULT_ATTEMPTS: u32 = 2;
const DEFAULT_RETRY_ON: &str = "connect-failure,refused-stream,unavailable,cancelled";

/// The tab.
#[component]
pub fn ResilienceTab(
    /// The node.
    id: NodeId,
    /// The node with its routes.
    subject: Memo<Subject>,
) -> impl IntoView {
    let store = use_store();
    let route = route_picker::route(store, id.clone(), subject);
    let host = id.host().is_some();
    let forwards = memo(move |_| {
        route.with(|route| route.as_ref().is_some_and(|route| route.forwards && !route.is_connections()))
    });
    view! {
        <RoutePicker id subject/>
        <Show
            when=move || forwards.get()
            fallback=|| view! { <p class="empty">"This route forwards no HTTP requests, so it has no timeout and no retries."</p> }
        >
            <Timeout route/>
            <Retries route/>
            <p class="note">
                "A caller can override both for one request, with the headers "<code>"x-envoy-upstream-rq-timeout-ms"</code>" and "
                <code>"x-envoy-max-retries"</code>"."
            </p>
        </Show>
        {host.then(|| view! { <Policy subject/> })}
        <MeshSettings/>
        <Show when=move || { store.editing.count() > 0 }>
            <h2 class="eyebrow">"What will change"</h2>
            <DiffView text=Signal::derive(move || store.derived.diff.get())/>
        </Show>
    }
}

fn put(store: Store, route: Memo<Option<RouteView>>, edit: impl FnOnce(RouteTarget) -> Edit) {
    if let Some(target) = route.with_untracked(|route| route.as_ref().map(|route| route.target.clone())) {
        store.editing.put(edit(target));
    }
}

/// What holds where neither a route nor a policy says anything, and who says so.
#[component]
fn MeshSettings() -> impl IntoView {
    let store = use_store();
    let rows = move || {
        let settings = store.head.settings.get();
        let timeout = match settings.request_timeout_millis {
            0 => "no limit".to_owned(),
            millis => words::millis(millis),
        };
        let unknown = match settings.outbound_policy {
            OutboundPolicy::AllowAny => "allowed (ALLOW_ANY)",
            OutboundPolicy::RegistryOnly => "blocked with 502 (REGISTRY_ONLY)",
        };
        let rows = [
            ("Request timeout", timeout, "--request-timeout"),
            ("Load balancing", settings.load_balancer.name().to_owned(), "--load-balancer"),
            ("Unknown hosts", unknown.to_owned(), "outboundTrafficPolicy.mode"),
        ];
        rows.map(|(name, value, flag)| {
            view! { <p class="effective"><b>{value}</b><ApiField label=name path=flag/></p> }
        })
        .collect_view()
    };
    view! {
        <fieldset class="group mesh-settings">
            <legend>"Mesh defaults"</legend>
            {rows}
            <p class="note">
                "They apply where no route or policy sets another value, and are set when Meshwright is started, with "
                <code>"--request-timeout"</code>" and "<code>"--load-balancer"</code>"."
            </p>
        </fieldset>
    }
}

#[component]
fn Timeout(route: Memo<Option<RouteView>>) -> impl IntoView {
    let store = use_store();
    let own = memo(move |_| route.with(|route| route.as_ref().and_then(|route| route.timeout)));
    let default = move || store.head.settings.with(|settings| settings.request_timeout_millis);
    let effective = move || match own.get().unwrap_or_else(default) {
        0 => "no limit".to_owned(),
        millis => words::millis(millis),
    };
    let origin = move || match own.get() {
        Some(_) => "set on this route".to_owned(),
        None => "mesh default".to_owned(),
    };
    let set = move |millis: Option<u64>| put(store, route, |target| Edit::SetTimeout { target, millis });
    view! {
        <fieldset class="group">
            <legend><ApiField label="Timeout" path="timeout"/></legend>
            <p class="effective"><b>{move || effective()}</b>{move || origin()}</p>
            <label class="switch-line">
                <input type="checkbox" role="switch" class="switch" prop:checked=move || own.get().is_some()
                    on:change=move |event| set(event_target_checked(&event).then(default))
                />
                "Set on this route"
            </label>
            <Show when=move || own.get().is_some()>
                <label class="unit">
                    <input type="number" class="input" min="0" max="86400" step="any" style:width="90px" aria-label="Timeout in seconds"
                        prop:value=move || seconds(own.get().unwrap_or(0))
                        on:change=move |event| {
                            if let Some(millis) = millis(&event) {
                                set(Some(millis));
                            }
                        }
                    />
                    "seconds for the whole request, including retries; 0 means no limit"
                </label>
            </Show>
        </fieldset>
    }
}

#[component]
fn Retries(route: Memo<Option<RouteView>>) -> impl IntoView {
    let store = use_store();
    let own = memo(move |_| route.with(|route| route.as_ref().and_then(|route| route.retries.clone())));
    let effective = move || {
        own.with(|own| match own.as_ref().map_or(DEFAULT_ATTEMPTS, |own| own.attempts) {
            0 => "none".to_owned(),
            attempts => format!("up to {attempts}"),
        })
    };
    let origin = move || if own.with(Option::is_some) { "set on this route" } else { "Istio default" };
    let on = move || {
        own.with(|own| own.as_ref().and_then(|own| own.retry_on.clone()))
            .unwrap_or_else(|| DEFAULT_RETRY_ON.to_owned())
    };
    let set =
        move |retries: Option<RetrySpec>| put(store, route, |target| Edit::SetRetries { target, retries });
    view! {
        <fieldset class="group">
            <legend><ApiField label="Retries" path="retries"/></legend>
            <p class="effective"><b>{move || effective()}</b>{move || origin()}</p>
            <p class="note">"On "<code>{move || on().replace(',', ", ")}</code></p>
            <label class="switch-line">
                <input type="checkbox" role="switch" class="switch" prop:checked=move || own.with(Option::is_some)
                    on:change=move |event| {
                        let spec =
                            RetrySpec { attempts: DEFAULT_ATTEMPTS, per_try_timeout_millis: None, retry_on: None };
                        set(event_target_checked(&event).then_some(spec));
                    }
                />
                "Set on this route"
            </label>
            <Show when=move || own.with(Option::is_some)>
                <RetryFields own set=Callback::new(move |retries| set(Some(retries)))/>
            </Show>
        </fieldset>
    }
}

#[component]
fn RetryFields(own: Memo<Option<RetrySpec>>, set: Callback<RetrySpec>) -> impl IntoView {
    let change = move |change: &dyn Fn(&mut RetrySpec)| {
        if let Some(mut spec) = own.get_untracked() {
            change(&mut spec);
            set.run(spec);
        }
    };
    let read =
        move |read: fn(&RetrySpec) -> String| own.with(|own| own.as_ref().map(read).unwrap_or_default());
    view! {
        <div class="form-grid">
            <label class="field">
                <ApiField label="Attempts" path="retries.attempts"/>
                <input type="number" class="input" min="0" max="100" step="1"
                    prop:value=move || read(|own| own.attempts.to_string())
                    on:change=move |event| {
                        if let Ok(attempts) = event_target_value(&event).parse::<u32>() {
                            change(&|spec| spec.attempts = attempts.min(100));
                        }
                    }
                />
            </label>
            <label class="field">
                <ApiField label="Timeout per try, s" path="retries.perTryTimeout"/>
                <input type="number" class="input" min="0" max="86400" step="any" placeholder="same as the timeout"
                    prop:value=move || read(|own| own.per_try_timeout_millis.map(seconds).unwrap_or_default())
                    on:change=move |event| {
                        let millis = millis(&event).filter(|millis| *millis > 0);
                        change(&|spec| spec.per_try_timeout_millis = millis);
                    }
                />
            </label>
            <label class="field whole">
                <ApiField label="Retry on" path="retries.retryOn"/>
                <input class="input code" list="retry-conditions" placeholder=DEFAULT_RETRY_ON
                    prop:value=move || read(|own| own.retry_on.clone().unwrap_or_default())
                    on:change=move |event| {
                        let text = event_target_value(&event).replace(' ', "");
                        change(&|spec| spec.retry_on = Some(text.clone()).filter(|text| !text.is_empty()));
                    }
                />
                <datalist id="retry-conditions">
                    {["5xx", "gateway-error", "reset", "connect-failure", "retriable-4xx", "refused-stream", "5xx,reset,connect-failure"]
                        .map(|text| view! { <option value=text></option> })
                        .collect_view()}
                </datalist>
            </label>
        </div>
    }
}
