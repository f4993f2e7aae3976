//! Traces: which one a request belongs to, by W3C's headers or Zipkin's (B3), and what is told to the next hop.
//!
//! Where nothing traces, these headers pass as any others do. What becomes of spans is decided where they are read.

use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, HeaderName, HeaderValue};

mod spans;

pub(crate) use spans::{Recording, Sink, beginning, text};
pub use spans::{Span, Spans};

/// How requests are traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracing {
    /// Of the requests that come without a word about it, so many of a million are.
    pub parts_per_million: u32,
}

impl Tracing {
    /// From a percentage.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 0 and a million"
    )]
    pub fn percent(percent: f64) -> Self {
        Self { parts_per_million: (percent.clamp(0.0, 100.0) * 10_000.0).round() as u32 }
    }
}

/// A request's place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) trace: u128,
    /// The span of this proxy; of a request that is not recorded, the one that it came with.
    pub(crate) span: u64,
    pub(crate) parent: Option<u64>,
    pub(crate) recorded: bool,
    /// The words that the next hop is told it in, beside W3C's.
    also: Also,
}

/// Headers of B3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Also {
    Nothing,
    /// `b3`
    Single,
    /// `x-b3-traceid` and the rest
    Several,
}

/// What a client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    /// Trace and span; it may say no more than whether it is sampled.
    ids: Option<(u128, u64)>,
    sampled: Option<bool>,
    also: Also,
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const B3: HeaderName = HeaderName::from_static("b3");
const B3_TRACE: HeaderName = HeaderName::from_static("x-b3-traceid");
const B3_SPAN: HeaderName = HeaderName::from_static("x-b3-spanid");
const B3_PARENT: HeaderName = HeaderName::from_static("x-b3-parentspanid");
const B3_SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
const B3_FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");

impl Context {
    /// Of a request with these headers; `draw` is one of a million numbers, `id` a random one.
    pub(crate) fn new(
        headers: &HeaderMap,
        tracing: Tracing,
        draw: impl FnOnce() -> u32,
        mut id: impl FnMut() -> u64,
    ) -> Self {
        let told = told(headers);
        let recorded = told.sampled.unwrap_or_else(|| draw() < tracing.parts_per_million);
        // 0 is no identity.
        let mut some = || id().max(1);
        match told.ids {
            Some((trace, parent)) if recorded => {
                Self { trace, span: some(), parent: Some(parent), recorded, also: told.also }
            }
            Some((trace, span)) => Self { trace, span, parent: None, recorded, also: told.also },
            None => {
                let trace = (u128::from(some()) << 64) | u128::from(some());
                Self { trace, span: some(), parent: None, recorded, also: told.also }
            }
        }
    }

    /// Tells the next hop.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let sampled = u8::from(self.recorded);
        let mut put = |name: HeaderName, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        put(TRACEPARENT, format!("00-{:032x}-{:016x}-{sampled:02x}", self.trace, self.span));
        match self.also {
            Also::Nothing => {}
            Also::Single => {
                let parent = self.parent.map(|parent| format!("-{parent:016x}")).unwrap_or_default();
                put(B3, format!("{:032x}-{:016x}-{sampled}{parent}", self.trace, self.span));
            }
            Also::Several => {
                put(B3_TRACE, format!("{:032x}", self.trace));
                put(B3_SPAN, format!("{:016x}", self.span));
                put(B3_SAMPLED, sampled.to_string());
                if let Some(parent) = self.parent {
                    put(B3_PARENT, format!("{parent:016x}"));
                }
            }
        }
    }
}

/// What a request's headers say. W3C's go before B3's.
fn told(headers: &HeaderMap) -> Told {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let b3 = if headers.contains_key(&B3) {
        text(&B3).and_then(single)
    } else {
        several(text(&B3_TRACE), text(&B3_SPAN), text(&B3_SAMPLED), text(&B3_FLAGS))
    };
    let also = b3.map_or(Also::Nothing, |told| told.also);
    let w3c = text(&TRACEPARENT).and_then(traceparent).map(|told| Told { also, ..told });
    w3c.or(b3).unwrap_or(Told { ids: None, sampled: None, also })
}

/// `00-<trace>-<span>-<flags>`; later versions may say more behind that.
fn traceparent(text: &str) -> Option<Told> {
    let mut parts = text.trim().split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let version = number::<2>(version).filter(|version| *version != 0xff)?;
    if version == 0 && parts.next().is_some() {
        return None;
    }
    let flags = number::<2>(flags)?;
    Some(Told { ids: Some(ids(trace, span)?), sampled: Some(flags & 1 == 1), also: Also::Nothing })
}

/// `<trace>-<span>[-<sampled>[-<parent>]]`, or the decision alone.
fn single(text: &str) -> Option<Told> {
    let parts: Vec<&str> = text.trim().split('-').collect();
    Some(match parts.as_slice() {
        [decision] => Told { ids: None, sampled: Some(sampled(decision)?), also: Also::Single },
        [trace, span, rest @ ..] => Told {
            ids: Some(ids(trace, span)?),
            sampled: rest.first().and_then(|decision| sampled(decision)),
            also: Also::Single,
        },
        [] => return None,
    })
}

fn several(
    trace: Option<&str>,
    span: Option<&str>,
    decision: Option<&str>,
    flags: Option<&str>,
) -> Option<Told> {
    let sampled = if flags == Some("1") { Some(true) } else { decision.and_then(sampled) };
    let ids = trace.zip(span).and_then(|(trace, span)| ids(trace.trim(), span.trim()));
    (ids.is_some() || sampled.is_some()).then_some(Told { ids, sampled, also: Also::Several })
}

/// B3's words for the decision; `d` asks for more than a yes.
fn sampled(text: &str) -> Option<bool> {
    match text {
        "1" | "d" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

/// Old traces have identities of half the length.
fn ids(trace: &str, span: &str) -> Option<(u128, u64)> {
    let trace = number::<32>(trace).or_else(|| number::<16>(trace)).filter(|trace| *trace != 0)?;
    let span = number::<16>(span).and_then(|span| u64::try_from(span).ok()).filter(|span| *span != 0)?;
    Some((trace, span))
}

/// A number of so many hexadecimal digits.
fn number<const DIGITS: usize>(text: &str) -> Option<u128> {
    let digits = text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
    const SPAN: u64 = 0x00f0_67aa_0ba9_02b7;

    fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn what_clients_say_is_understood() {
        let full = "4bf92f3577b34da6a3ce929d0e0e4736";
        let parent = format!("00-{full}-00f067aa0ba902b7-01");
        let single = format!("{full}-00f067aa0ba902b7-0-05e3ac9a4f6e3b90");
        let ids = Some((TRACE, SPAN));
        for (headers, expected) in [
            (vec![], (None, None, Also::Nothing)),
            (vec![("traceparent", parent.as_str())], (ids, Some(true), Also::Nothing)),
            (vec![("traceparent", "00-0-0-01")], (None, None, Also::Nothing)),
            (
                vec![("traceparent", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")],
                (None, None, Also::Nothing),
            ),
            (
                vec![("traceparent", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more")],
                (ids, Some(false), Also::Nothing),
            ),
            (vec![("b3", single.as_str())], (ids, Some(false), Also::Single)),
            (vec![("b3", "0")], (None, Some(false), Also::Single)),
            (
                vec![("b3", single.as_str()), ("traceparent", parent.as_str())],
                (ids, Some(true), Also::Single),
            ),
            (vec![("x-b3-traceid", full), ("x-b3-spanid", "00f067aa0ba902b7")], (ids, None, Also::Several)),
            (
                vec![
                    ("x-b3-traceid", "a3ce929d0e0e4736"),
                    ("x-b3-spanid", "00f067aa0ba902b7"),
                    ("x-b3-sampled", "1"),
                ],
                (Some((0xa3ce_929d_0e0e_4736, SPAN)), Some(true), Also::Several),
            ),
            (vec![("x-b3-flags", "1")], (None, Some(true), Also::Several)),
        ] {
            let told = told(&map(&headers));
            assert_eq!((told.ids, told.sampled, told.also), expected, "{headers:?}");
        }
    }

    #[test]
    fn the_next_hop_is_told() {
        let tracing = Tracing::percent(100.0);
        let context = |fields: &[(&'static str, &str)], tracing| {
            let mut headers = map(fields);
            let context = Context::new(&headers, tracing, || 500_000, || 7);
            context.write(&mut headers);
            (context.recorded, headers)
        };
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let (recorded, headers) = context(&[("traceparent", parent), ("tracestate", "a=b")], tracing);
        assert!(recorded);
        assert_eq!(headers["traceparent"], "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000007-01");
        assert_eq!(headers["tracestate"], "a=b");

        let unwanted = parent.replace("-01", "-00");
        let (recorded, headers) = context(&[("traceparent", &unwanted)], tracing);
        assert!(!recorded);
        assert_eq!(headers["traceparent"], unwanted.as_str(), "no span of ours stands in between");

        let (recorded, headers) = context(&[], Tracing::percent(49.0));
        assert!(!recorded);
        assert_eq!(headers["traceparent"], "00-00000000000000070000000000000007-0000000000000007-00");
        assert!(context(&[], Tracing::percent(51.0)).0);

        let b3 = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1";
        let (_, headers) = context(&[("b3", b3)], tracing);
        assert_eq!(headers["b3"], "4bf92f3577b34da6a3ce929d0e0e4736-0000000000000007-1-00f067aa0ba902b7");
        let (_, headers) =
            context(&[("x-b3-traceid", "a3ce929d0e0e4736"), ("x-b3-spanid", "00f067aa0ba902b7")], tracing);
        assert_eq!(headers["x-b3-spanid"], "0000000000000007");
        assert_eq!(headers["x-b3-parentspanid"], "00f067aa0ba902b7");
        assert_eq!(headers["x-b3-sampled"], "1");
    }
}
