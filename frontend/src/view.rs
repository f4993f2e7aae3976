//! Views whose types are forgotten. Leptos compiles its machinery once for each type of view, list, condition and memo,
//! and a page of this size has hundreds; behind a pointer they share it.

use std::any::Any;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use leptos::prelude::*;
use leptos::tachys::view::any_view::AnyView;

/// Leptos' `view!`, as an [`AnyView`].
macro_rules! erased_view {
    ($($tokens:tt)*) => { $crate::view::erased(::leptos::prelude::view! { $($tokens)* }) };
}
pub(crate) use erased_view as view;

/// A view without its type.
pub fn erased<T>(view: View<T>) -> AnyView
where
    T: IntoAny,
{
    view.into_inner().into_any()
}

/// Leptos' `Memo::new`, compiled once for each type of value.
pub fn memo<T>(compute: impl Fn(Option<&T>) -> T + Send + Sync + 'static) -> Memo<T>
where
    T: PartialEq + Send + Sync + 'static,
{
    boxed_memo(Box::new(compute))
}

fn boxed_memo<T>(compute: Box<dyn Fn(Option<&T>) -> T + Send + Sync>) -> Memo<T>
where
    T: PartialEq + Send + Sync + 'static,
{
    Memo::new(compute)
}

/// Leptos' `Show`, compiled once.
#[component]
pub fn Show(
    /// Whether it is shown.
    #[prop(into)]
    when: Signal<bool>,
    /// What is shown.
    children: ChildrenFn,
    /// What stands in its place otherwise.
    #[prop(optional, into)]
    fallback: ViewFn,
) -> impl IntoView {
    let when = memo(move |_| when.get());
    (move || if when.get() { children() } else { fallback.run() }).into_any()
}

/// Leptos' `For`, compiled once.
#[component]
pub fn For<T, K, V>(
    /// The entries.
    each: impl Fn() -> Vec<T> + Send + Sync + 'static,
    /// What tells an entry from the others: while it stays, the entry's view does.
    key: impl Fn(&T) -> K + Send + Sync + 'static,
    /// The view of an entry.
    children: impl Fn(T) -> V + Send + Sync + 'static,
) -> impl IntoView
where
    T: Clone + Send + Sync + 'static,
    K: Eq + Hash + Send + Sync + 'static,
    V: IntoView + 'static,
{
    let children = Arc::new(children);
    list(Box::new(move || {
        let item = |item: T| {
            let key = Key(Arc::new(key(&item)));
            let children = Arc::clone(&children);
            Item { key, view: Arc::new(move || children(item.clone()).into_any()) }
        };
        each().into_iter().map(item).collect()
    }))
}

fn list(items: Box<dyn Fn() -> Vec<Item> + Send + Sync>) -> AnyView {
    view! { <leptos::control_flow::For each=items key=|item: &Item| item.key.clone() children=|item: Item| (item.view)()/> }
}

/// An entry of a list, and what shows it.
#[derive(Clone)]
struct Item {
    key: Key,
    view: Arc<dyn Fn() -> AnyView + Send + Sync>,
}

/// What tells an entry from the others, whatever its type.
#[derive(Clone)]
struct Key(Arc<dyn AnyKey + Send + Sync>);

trait AnyKey: Any {
    fn hashed(&self) -> u64;
    fn equals(&self, other: &dyn Any) -> bool;
}

impl<K: Any + Eq + Hash> AnyKey for K {
    fn hashed(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    fn equals(&self, other: &dyn Any) -> bool {
        other.downcast_ref() == Some(self)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        let other: &dyn Any = &*other.0;
        self.0.equals(other)
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hashed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_compared_by_type_and_value() {
        fn key<K: Eq + Hash + Send + Sync + 'static>(key: K) -> Key {
            Key(Arc::new(key))
        }
        assert!(key(1_u64) == key(1_u64));
        assert!(key(1_u64) != key(2_u64));
        assert!(key(1_u64) != key(1_u32));
        assert_eq!(key("a").0.hashed(), key("a").0.hashed());
    }
}
