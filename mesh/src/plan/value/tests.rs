//! Values with command operators, against what Envoy 1.40 was seen to send.

use std::borrow::Cow;
use std::time::Duration;

use super::*;

struct Known;

impl Facts for Known {
    fn request(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let value: &[u8] = match name {
            ":path" => b"/p/a?a=1",
            "x-q" => b"abcdef",
            "empty" => b"",
            _ => return None,
        };
        Some(Cow::Borrowed(value))
    }
    fn response(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        (name == "x-up").then_some(Cow::Borrowed(b"a\xe9"))
    }
    fn fact(&self, fact: Fact) -> Option<Cow<'_, str>> {
        match fact {
            Fact::Protocol => Some("HTTP/1.1".into()),
            Fact::ResponseFlags => Some("-".into()),
            Fact::Hostname => Some("vm".into()),
            _ => None,
        }
    }
    fn began(&self) -> Duration {
        Duration::new(1_795_916_126, 816_224_000)
    }
}

#[test]
fn commands_are_filled_in() {
    for (value, expected) in [
        ("", ""),
        ("plain", "plain"),
        ("100%%", "100%"),
        ("%%REQ(x)%%", "%REQ(x)%"),
        ("%REQ(:path)%", "/p/a?a=1"),
        ("%REQ(:PATH)% x", "/p/a?a=1 x"),
        ("%REQ(X-Q)%", "abcdef"),
        ("%REQ(none)%", ""),
        ("a%REQ(none)%b", "ab"),
        ("%REQ(none?x-q)%", "abcdef"),
        ("%REQ(empty?x-q)%", ""),
        ("%REQ(X-Q):3%", "abc"),
        ("%REQ(X-Q):0%", ""),
        ("%REQ(x-q)%%REQ(x-q):1%", "abcdefa"),
        ("%RESP(none?x-up):1%", "a"),
        ("%HOSTNAME%:%PROTOCOL%", "vm:HTTP/1.1"),
        ("%HOSTNAME()%", "vm"),
        ("%RESPONSE_FLAGS%", "-"),
        ("%UPSTREAM_HOST%", ""),
        ("%START_TIME%", "2026-11-29T01:35:26.816Z"),
        ("%START_TIME(%s)%", "1795916126"),
        ("%START_TIME(%Y/%m/%dT%H:%M:%S%z %3f)%", "2026/11/29T01:35:26+0000 816"),
        ("%START_TIME(%f)%", "816224000"),
        ("%START_TIME(%F %T %%)%", "2026-11-29 01:35:26 %"),
        // Not filled in, and sent as they are written.
        ("%START_TIME(%q)%", "%START_TIME(%q)%"),
        ("%DYNAMIC_METADATA(a:b)% %%", "%DYNAMIC_METADATA(a:b)% %"),
        ("%FOO%", "%FOO%"),
        ("%REQ%", "%REQ%"),
        ("%REQ()%", "%REQ()%"),
        ("%REQ(a?b?c)%", "%REQ(a?b?c)%"),
        ("%PROTOCOL(x)%", "%PROTOCOL(x)%"),
        ("%PROTOCOL:4%", "%PROTOCOL:4%"),
        ("50% of %HOSTNAME%", "50% of %HOSTNAME%"),
        ("%HOSTNAME%%", "vm%"),
        ("%", "%"),
        ("%REQ(x", "%REQ(x"),
        ("%req(x-q)%", "%req(x-q)%"),
        ("é%%é", "é%é"),
    ] {
        let made = HeaderValue::new(value);
        assert_eq!(String::from_utf8_lossy(&made.fill(&Known)), expected, "{value}");
        assert_eq!(made.as_str(), value);
        assert!(made.plain().is_none_or(|plain| plain == expected), "{value}");
    }
    assert_eq!(HeaderValue::new("%RESP(x-up)%").fill(&Known), b"a\xe9", "bytes stay as they are");
}

#[test]
fn what_is_not_filled_in_is_told_apart() {
    for (value, envoys) in [
        ("%DYNAMIC_METADATA(a:b)%", Some(true)),
        ("%START_TIME(%q)%", Some(true)),
        ("%DURATION%", Some(true)),
        ("%DOWNSTREAM_PEER_URI_SAN%", Some(true)),
        ("%PATH(NQ)%", Some(true)),
        ("%FOO%", Some(false)),
        ("%REQ()%", Some(false)),
        ("%PROTOCOL(x)%", Some(false)),
        ("%QUERY_PARAM%", Some(false)),
        ("50%", Some(false)),
        ("%REQ(a)%", None),
        ("%%FOO%%", None),
    ] {
        let made = HeaderValue::new(value);
        let seen = made.parts().iter().find_map(|part| match part {
            Part::Envoys(_) => Some(true),
            Part::Written(_) => Some(false),
            _ => None,
        });
        assert_eq!(seen, envoys, "{value}");
    }
}

#[test]
fn dates_are_of_the_calendar() {
    let format = TimeFormat::new("%F").unwrap();
    for (days, expected) in [
        (0, "1970-01-01"),
        (58, "1970-02-28"),
        (59, "1970-03-01"),
        (11_016, "2000-02-29"),
        (11_017, "2000-03-01"),
        (19_781, "2024-02-28"),
        (19_782, "2024-02-29"),
        (20_088, "2024-12-31"),
        (47_541, "2100-03-01"),
    ] {
        let mut out = Vec::new();
        format.write(Duration::from_secs(days * 86_400 + 86_399), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{days}");
    }
}
