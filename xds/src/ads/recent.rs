//! What was worked out lately, kept for streams that need the same.

use std::sync::{Arc, Mutex, PoisonError};

/// How many are kept: streams that do the same do it at about the same time.
const KEPT: usize = 16;

/// The newest results, newest last.
#[derive(Debug)]
pub(super) struct Recent<T>(Mutex<Vec<Entry<T>>>);

#[derive(Debug)]
struct Entry<T> {
    result: Arc<T>,
    used: bool,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<T> Recent<T> {
    /// The result that `is` it, worked out once even if many ask at the same time.
    pub(super) fn get(&self, is: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> Arc<T> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.iter_mut().rev().find(|entry| is(&entry.result)) {
            entry.used = true;
            return Arc::clone(&entry.result);
        }
        let result = Arc::new(make());
        if entries.len() == KEPT {
            entries.remove(0);
        }
        entries.push(Entry { result: Arc::clone(&result), used: true });
        result
    }

    /// Forgets what nobody asked for since this was called last.
    pub(super) fn sweep(&self) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain_mut(|entry| std::mem::take(&mut entry.used));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_kept_while_they_are_used() {
        let recent = Recent::default();
        let get = |number: usize| recent.get(|it| *it == number, || number);
        let first = get(0);
        assert!(Arc::ptr_eq(&first, &get(0)));
        recent.sweep();
        assert!(Arc::ptr_eq(&first, &get(0)), "it was used before the sweep");
        recent.sweep();
        recent.sweep();
        assert!(!Arc::ptr_eq(&first, &get(0)), "nobody used it between two sweeps");
        let first = get(0);
        for number in 1..=KEPT {
            get(number);
        }
        assert!(!Arc::ptr_eq(&first, &get(0)), "only so many are kept");
    }
}
