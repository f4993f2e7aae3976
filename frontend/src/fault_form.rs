//! The fault that a form describes. Pure.

use mesh::Edit;
use mesh::edit::{AbortSpec, DelaySpec, FaultSpec, HeaderEquals, RouteTarget};

use crate::subject::RouteView;

/// What the form shows. Parts that are off keep their figures, so that they come back when switched on.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultForm {
    /// There is a delay.
    pub delay: bool,
    /// Its figures.
    pub delay_spec: DelaySpec,
    /// There is an abort.
    pub abort: bool,
    /// Its figures.
    pub abort_spec: AbortSpec,
    /// Only requests with a header.
    pub some: bool,
    /// That header.
    pub header: HeaderEquals,
    /// When it ends.
    pub ends: Ends,
    /// It is for connections: they are reset instead of answered, all alike, until somebody ends that.
    pub connections: bool,
}

/// When a fault ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// When a person switches it off.
    Never,
    /// So many minutes after it was set.
    After(u32),
    /// As was set before, in seconds since 1970.
    At(i64),
}

impl FaultForm {
    /// The form of a route, with its fault or with figures to start from.
    pub fn of(route: &RouteView) -> Self {
        let fault = route.fault.clone().unwrap_or_default();
        let connections = route.is_connections();
        let some = route.fault.is_some() && route.only.is_some();
        Self {
            delay: fault.delay.is_some(),
            delay_spec: fault.delay.unwrap_or(DelaySpec { percent: 10.0, millis: 5000 }),
            abort: fault.abort.is_some(),
            abort_spec: fault
                .abort
                .unwrap_or(AbortSpec { percent: 10.0, status: if connections { 0 } else { 503 } }),
            some,
            header: route
                .only
                .clone()
                .unwrap_or_else(|| HeaderEquals { name: "end-user".to_owned(), value: "jason".to_owned() }),
            ends: match route.expires_at {
                Some(at) => Ends::At(at),
                // Nothing ends that nobody gave an end.
                None => Ends::Never,
            },
            connections,
        }
    }

    /// Something is on.
    pub fn active(&self) -> bool {
        self.delay || self.abort
    }

    /// The edits that lead from another state of this form to this one. A fault for other requests is another fault: the one
    /// before is taken out first.
    pub fn edits(&self, before: &Self, target: &RouteTarget, now: i64) -> Vec<Edit> {
        let whom = |form: &Self| form.some.then(|| form.header.clone());
        let mut edits = Vec::new();
        if before.active() && whom(before) != whom(self) {
            edits.push(Edit::InjectFault {
                target: target.clone(),
                only: whom(before),
                fault: None,
                expires_at: None,
            });
        }
        if self.active() || (before.active() && edits.is_empty()) {
            edits.push(self.edit(target.clone(), now));
        }
        edits
    }

    /// The edit that makes the route as the form says. `now` is in seconds since 1970.
    fn edit(&self, target: RouteTarget, now: i64) -> Edit {
        let fault = FaultSpec {
            delay: self.delay.then_some(self.delay_spec),
            abort: self.abort.then_some(self.abort_spec),
        };
        let expires_at = match self.ends {
            Ends::Never => None,
            Ends::After(minutes) => Some(now + i64::from(minutes) * 60),
            Ends::At(at) => Some(at),
        };
        let active = self.active();
        Edit::InjectFault {
            target,
            only: self.some.then(|| self.header.clone()),
            fault: active.then_some(fault),
            expires_at: expires_at.filter(|_| active),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_an_edit() {
        let target = || RouteTarget::Service("a".into());
        let mut form = FaultForm {
            delay: true,
            delay_spec: DelaySpec { percent: 10.0, millis: 7000 },
            abort: false,
            abort_spec: AbortSpec { percent: 1.0, status: 500 },
            some: true,
            header: HeaderEquals { name: "x".into(), value: "y".into() },
            ends: Ends::After(5),
            connections: false,
        };
        let Edit::InjectFault { only, fault, expires_at, .. } = form.edit(target(), 1000) else { panic!() };
        assert_eq!(only.unwrap().name, "x");
        assert_eq!(fault.unwrap(), FaultSpec { delay: Some(form.delay_spec), abort: None });
        assert_eq!(expires_at, Some(1300));
        let mut other = form.clone();
        other.header.value = "z".into();
        assert_eq!(other.edits(&form, &target(), 0).len(), 2);
        assert_eq!(form.edits(&form, &target(), 0).len(), 1);
        form.delay = false;
        assert!(form.edits(&form, &target(), 0).is_empty());
        let Edit::InjectFault { fault, expires_at, .. } = form.edit(target(), 1000) else { panic!() };
        assert_eq!((fault, expires_at), (None, None));
    }
}
