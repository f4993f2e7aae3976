//! The graph's own signals: what is laid out, what is seen, what is pointed at.

use std::collections::{HashMap, HashSet};

use crate::prelude::*;
use api::observed::Split;
use mesh::edit::RouteTarget;

use super::camera::Camera;
use super::curve::Rect;
use super::flow::Flow;
use super::layout::{self, Point};
use super::scene::{EdgePath, Moved, Plan, Scene};
use crate::faults::FaultView;
use crate::store::{Shared, Store, use_store};
use crate::topology::{LinkKey, Node, NodeId, Selection, Topology};

/// Height at the lower edge that a fitted graph leaves to the legend and the buttons.
const BELOW: f64 = 36.0;

/// What is shown in full while the rest is dimmed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lit {
    /// Nodes.
    pub nodes: HashSet<NodeId>,
    /// Links.
    pub links: HashSet<LinkKey>,
}

/// The tooltip: about what, and where on the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct Tip {
    /// What it tells of.
    pub about: Selection,
    /// Pixels from the graph's upper left corner.
    pub at: Point,
}

/// The signals, in the context of everything within the graph.
#[derive(Clone, Copy)]
pub struct GraphState {
    /// The store of the page.
    pub store: Store,
    /// The layout; another one only when what shapes it changes.
    pub plan: Memo<Shared<Plan>>,
    /// Nodes by their ids.
    pub nodes: Memo<Shared<HashMap<NodeId, Node>>>,
    /// Where nodes were dragged to.
    pub moved: RwSignal<Moved>,
    /// Where everything is drawn.
    pub scene: Memo<Shared<Scene>>,
    /// What is seen of it.
    pub camera: RwSignal<Camera>,
    /// Size of the view in pixels.
    pub size: RwSignal<(f64, f64)>,
    /// Someone panned or zoomed: the camera no longer follows the graph.
    pub steered: RwSignal<bool>,
    /// What the tooltip tells of.
    pub tip: RwSignal<Option<Tip>>,
    /// What is pointed at with its neighbours, or what was explained; `None` shows all alike.
    pub lit: Memo<Option<Lit>>,
    /// Observed splits of the head revision by their route.
    pub splits: Memo<HashMap<RouteTarget, Split>>,
    /// Faults by the host whose callers see them.
    pub faults: Memo<HashMap<String, Vec<FaultView>>>,
    /// The dots on the edges.
    pub flow: Flow,
}

impl GraphState {
    /// The state at the start, put into the context.
    pub fn provide() -> Self {
        let store = use_store();
        let topology = store.derived.topology;
        let moved = RwSignal::new(Moved::new());
        let size = RwSignal::new((0.0, 0.0));
        let room = memo(move |before: Option<&Option<(f64, f64)>>| {
            let before = before.copied().flatten();
            // Where someone has put things, the others stay around them.
            let put = before.is_some() && moved.with_untracked(|moved| !moved.is_empty());
            if put { before } else { layout::settled(before, Camera::room(size.get(), BELOW)) }
        });
        let plan = memo(move |before: Option<&Shared<Plan>>| {
            let room = room.get().unwrap_or_default();
            let next = topology.with(|topology| Plan::new(topology, room, before.map(|before| &**before)));
            match before {
                Some(before) if **before == next => before.clone(),
                _ => Shared::new(next),
            }
        });
        let nodes = memo(move |_| Shared::new(by_id(&topology.get())));
        let scene = memo(move |_| Shared::new(plan.with(|plan| moved.with(|moved| Scene::new(plan, moved)))));
        let tip = RwSignal::new(None::<Tip>);
        let lit = memo(move |_| lit(store, plan, tip));
        let splits = memo(move |_| store.head.tick.with(|tick| splits(tick.as_deref())));
        let faults = memo(move |_| {
            let mut by_host = HashMap::<String, Vec<FaultView>>::new();
            for fault in store.derived.faults.get() {
                by_host.entry(fault.host.clone()).or_default().push(fault);
            }
            by_host
        });
        let state = Self {
            store,
            plan,
            nodes,
            moved,
            scene,
            camera: RwSignal::new(Camera::default()),
            size,
            steered: RwSignal::new(false),
            tip,
            lit,
            splits,
            faults,
            flow: Flow::start(),
        };
        provide_context(state);
        Effect::new(move || {
            let (bounds, size) = (scene.with(|scene| scene.bounds), state.size.get());
            if !state.steered.get() {
                state.camera.set(Camera::fit(bounds, size, BELOW));
            }
        });
        state
    }

    /// Shows the whole graph, and follows it again.
    pub fn fit(&self) {
        self.steered.set(false);
    }

    /// Pans or zooms.
    pub fn steer(&self, change: impl FnOnce(Camera) -> Camera) {
        self.steered.set(true);
        self.camera.update(|camera| *camera = change(*camera));
    }

    /// Zooms around the middle.
    pub fn zoom(&self, factor: f64) {
        let (width, height) = self.size.get_untracked();
        self.steer(|camera| camera.zoomed(factor, Point { x: width / 2.0, y: height / 2.0 }));
    }

    /// Where a node is drawn. Tracked.
    pub fn rect(&self, id: &NodeId) -> Rect {
        self.scene.with(|scene| scene.nodes.get(id).copied().unwrap_or_default())
    }

    /// The way of a link. Tracked.
    pub fn way(&self, key: &LinkKey) -> EdgePath {
        self.scene.with(|scene| scene.links.get(key).cloned().unwrap_or_default())
    }

    /// The faults that requests on a link can meet, in words. Tracked.
    pub fn faults_on(&self, key: &LinkKey) -> Vec<String> {
        let host = key.to.host().unwrap_or_default();
        self.faults.with(|faults| {
            let all = faults.get(host).into_iter().flatten();
            all.filter(|fault| fault.acts_on(key)).map(|fault| fault.label.clone()).collect()
        })
    }

    /// Something else than this node is lit. Tracked.
    pub fn dims_node(&self, id: &NodeId) -> bool {
        self.lit.with(|lit| lit.as_ref().is_some_and(|lit| !lit.nodes.contains(id)))
    }

    /// Something else than this link is lit. Tracked.
    pub fn dims_link(&self, key: &LinkKey) -> bool {
        self.lit.with(|lit| lit.as_ref().is_some_and(|lit| !lit.links.contains(key)))
    }

    /// This is selected. Tracked.
    pub fn selected(&self, this: &Selection) -> bool {
        self.store.ui.selection.with(|selection| selection.as_ref() == Some(this))
    }

    /// Shows the tooltip beside a rectangle of the graph, for those who point with the keyboard.
    pub fn tip_beside(&self, about: Selection, rect: Rect) {
        let at = self.camera.get_untracked().to_screen(Point { x: rect.x, y: rect.bottom() });
        self.tip.set(Some(Tip { about, at: Point { x: at.x, y: at.y + 8.0 } }));
    }
}

/// The state of the graph around this component.
pub fn use_graph() -> GraphState {
    expect_context::<GraphState>()
}

fn by_id(topology: &Topology) -> HashMap<NodeId, Node> {
    topology.nodes.iter().map(|node| (node.id.clone(), node.clone())).collect()
}

fn splits(tick: Option<&api::Tick>) -> HashMap<RouteTarget, Split> {
    let splits = tick.map_or(&[][..], |tick| &tick.splits);
    splits
        .iter()
        .map(|split| {
            let target = match &split.route {
                Some(route) => RouteTarget::Route(route.clone()),
                None => RouteTarget::Service(split.host.clone()),
            };
            (target, split.clone())
        })
        .collect()
}

fn lit(store: Store, plan: Memo<Shared<Plan>>, tip: RwSignal<Option<Tip>>) -> Option<Lit> {
    let mut lit = Lit::default();
    match tip.with(|tip| tip.as_ref().map(|tip| tip.about.clone())) {
        Some(Selection::Node(id)) => plan.with(|plan| {
            for key in plan.links.iter().filter(|key| key.from == id || key.to == id) {
                lit.nodes.extend([key.from.clone(), key.to.clone()]);
                lit.links.insert(key.clone());
            }
            lit.nodes.insert(id);
        }),
        Some(Selection::Link(key)) => {
            lit.nodes.extend([key.from.clone(), key.to.clone()]);
            lit.links.insert(key);
        }
        None => store.ui.explained.with(|explained| {
            let explained = explained.as_ref()?;
            lit.nodes.insert(explained.from.clone());
            for hop in &explained.hops {
                lit.nodes.insert(hop.to.clone());
                lit.links.insert(LinkKey { from: explained.from.clone(), to: hop.to.clone() });
            }
            Some(())
        })?,
    }
    Some(lit)
}
