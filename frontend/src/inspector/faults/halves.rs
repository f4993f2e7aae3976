//! What a fault does: a delay, an abort, or both, each with its switch and its figures.

use crate::prelude::*;
use mesh::annotation::CONNECTION_FAULTS;

use super::Change;
use crate::browser;
use crate::fault_form::FaultForm;
use crate::inspector::api_field::ApiField;
use crate::words::seconds;

/// Bounds and step of a percentage.
const PERCENT: [&str; 3] = ["0", "100", "any"];
/// The longest time that can be typed, in seconds.
const LONGEST: f64 = 1e9;

/// The form with its fields.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    /// What the form shows.
    pub(super) form: Signal<Option<FaultForm>>,
    /// Changes it.
    pub(super) change: Callback<Change>,
}

impl Fields {
    /// A number to type, between two bounds and in steps; `list` names what is proposed.
    fn number(
        self,
        label: &'static str,
        [min, max, step]: [&'static str; 3],
        list: Option<&'static str>,
        read: fn(&FaultForm) -> String,
        write: fn(&mut FaultForm, f64),
    ) -> AnyView {
        view! {
            <input type="number" class="input" min=min max=max step=step list=list style:width="72px" aria-label=label
                prop:value=move || self.form.with(|form| form.as_ref().map(read).unwrap_or_default())
                on:change=move |event| {
                    if let Some(number) = browser::typed_number(&event) {
                        self.change.run(Box::new(move |form| write(form, number)));
                    }
                }
            />
        }
    }

    pub(super) fn delay(self, connections: bool) -> AnyView {
        let percent = self.number(
            "Percent of requests to delay",
            PERCENT,
            None,
            |form| form.delay_spec.percent.to_string(),
            |form, percent| form.delay_spec.percent = percent.clamp(0.0, 100.0),
        );
        let duration = self.number(
            "Delay in seconds",
            ["0.001", "3600", "any"],
            None,
            |form| seconds(form.delay_spec.millis),
            |form, seconds| form.delay_spec.millis = whole_millis(seconds.clamp(0.001, LONGEST)),
        );
        // Istio has no faults for connections: theirs are in an annotation.
        let (part, fixed) = match connections {
            true => (CONNECTION_FAULTS, "seconds".into_any()),
            false => ("fault.delay", view! { <ApiField label="seconds" path="delay.fixedDelay"/> }),
        };
        let figures = view! {
            <label class="unit">{percent}{if connections { "% of connections by" } else { "% of requests by" }}</label>
            <label class="unit">{duration}{fixed}</label>
        };
        half(self, "Delay", part, |form| &mut form.delay, figures)
    }

    fn aborted(self, label: &'static str) -> AnyView {
        self.number(
            label,
            PERCENT,
            None,
            |form| form.abort_spec.percent.to_string(),
            |form, percent| form.abort_spec.percent = percent.clamp(0.0, 100.0),
        )
    }

    /// What there is for connections in place of an abort.
    pub(super) fn reset(self) -> AnyView {
        let percent = self.aborted("Percent of connections to reset");
        let figures = view! { <label class="unit">{percent}"% of connections"</label> };
        half(self, "Reset", CONNECTION_FAULTS, |form| &mut form.abort, figures)
    }

    pub(super) fn abort(self) -> AnyView {
        let percent = self.aborted("Percent of requests to abort");
        let status = self.number(
            "HTTP status of aborted requests",
            ["200", "599", "1"],
            Some("fault-statuses"),
            |form| form.abort_spec.status.to_string(),
            |form, status| {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
                let status = status.clamp(200.0, 599.0) as u16;
                form.abort_spec.status = status;
            },
        );
        let usual = ["400", "404", "429", "500", "502", "503", "504"];
        let figures = view! {
            <label class="unit">{percent}"% of requests with"</label>
            <label class="unit">"HTTP"{status}<ApiField label="" path="abort.httpStatus"/></label>
            <datalist id="fault-statuses">
                {usual.map(|code| view! { <option value=code></option> }).collect_view()}
            </datalist>
        };
        half(self, "Abort", "fault.abort", |form| &mut form.abort, figures)
    }
}

/// One half of a fault: its switch and its figures.
fn half(
    fields: Fields,
    name: &'static str,
    part: &'static str,
    on: fn(&mut FaultForm) -> &mut bool,
    figures: AnyView,
) -> AnyView {
    view! {
        <fieldset class="group">
            <legend>
                <label class="switch-line">
                    <input type="checkbox" role="switch" class="switch"
                        prop:checked=move || fields.form.get().is_some_and(|mut form| *on(&mut form))
                        on:change=move |event| {
                            let now = event_target_checked(&event);
                            fields.change.run(Box::new(move |form| *on(form) = now));
                        }
                    />
                    <ApiField label=name path=part/>
                </label>
            </legend>
            <div class="row-line">{figures}</div>
        </fieldset>
    }
}

/// Typed seconds as milliseconds.
pub(in crate::inspector) fn millis(event: &leptos::ev::Event) -> Option<u64> {
    browser::typed_number(event).filter(|seconds| (0.0..=LONGEST).contains(seconds)).map(whole_millis)
}

fn whole_millis(seconds: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by all who ask")]
    let millis = (seconds * 1000.0).round() as u64;
    millis
}
