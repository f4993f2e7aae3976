//! Which part of the graph is seen: panning, zooming and fitting. Pure.

use super::curve::Rect;
use super::layout::Point;

/// The smallest and the largest scale.
const SCALES: (f64, f64) = (0.1, 3.0);
/// Room around the graph when it is fitted.
const MARGIN: f64 = 8.0;
/// The largest scale at which a graph is fitted: a few nodes would look odd in the size of a screen.
const LARGEST_FIT: f64 = 1.15;

/// A view of the graph: a point of the graph is drawn at `scale * point + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Camera {
    /// Where the graph's origin is drawn.
    pub offset: Point,
    /// Pixels of the screen for one of the graph.
    pub scale: f64,
}

impl Default for Camera {
    fn default() -> Self {
        Self { offset: Point::default(), scale: 1.0 }
    }
}

impl Camera {
    /// Width and height that a graph may have to be fitted in its own size into a view of this size, of which `below` is kept free.
    pub fn room((width, height): (f64, f64), below: f64) -> (f64, f64) {
        (width - 2.0 * MARGIN, height - 2.0 * MARGIN - below)
    }

    /// Shows all of `bounds` in a view of this size, at most a little enlarged, in the middle. `below` is kept free at the
    /// lower edge.
    #[must_use]
    pub fn fit(bounds: Rect, (width, height): (f64, f64), below: f64) -> Self {
        let room = Self::room((width, height), below);
        if bounds.width <= 0.0 || room.0 <= 0.0 || room.1 <= 0.0 {
            return Self::default();
        }
        let scale = (room.0 / bounds.width).min(room.1 / bounds.height).min(LARGEST_FIT).max(SCALES.0);
        let centre = bounds.centre();
        let offset = Point { x: width / 2.0 - scale * centre.x, y: MARGIN + room.1 / 2.0 - scale * centre.y };
        Self { offset, scale }
    }

    /// Moves the picture by pixels of the screen.
    #[must_use]
    pub fn panned(self, x: f64, y: f64) -> Self {
        Self { offset: Point { x: self.offset.x + x, y: self.offset.y + y }, ..self }
    }

    /// Zooms by a factor; what is under `at` (in pixels of the screen) stays there.
    #[must_use]
    pub fn zoomed(self, factor: f64, at: Point) -> Self {
        let scale = (self.scale * factor).clamp(SCALES.0, SCALES.1);
        let factor = scale / self.scale;
        let offset =
            Point { x: at.x + factor * (self.offset.x - at.x), y: at.y + factor * (self.offset.y - at.y) };
        Self { offset, scale }
    }

    /// A point of the graph on the screen.
    pub fn to_screen(&self, point: Point) -> Point {
        Point { x: self.scale * point.x + self.offset.x, y: self.scale * point.y + self.offset.y }
    }

    /// Moves as little as is needed to see all of a rectangle.
    #[must_use]
    pub fn showing(self, rect: Rect, (width, height): (f64, f64)) -> Self {
        let low = self.to_screen(Point { x: rect.x, y: rect.y });
        let high = self.to_screen(Point { x: rect.right(), y: rect.bottom() });
        let shift = |low: f64, high: f64, room: f64| {
            if low < MARGIN {
                MARGIN - low
            } else if high > room - MARGIN {
                (room - MARGIN - high).max(MARGIN - low)
            } else {
                0.0
            }
        };
        self.panned(shift(low.x, high.x, width), shift(low.y, high.y, height))
    }

    /// As the attribute `transform` of an SVG group.
    pub fn transform(&self) -> String {
        format!("translate({:.2},{:.2}) scale({:.4})", self.offset.x, self.offset.y, self.scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Rect = Rect { x: 100.0, y: 50.0, width: 1000.0, height: 400.0 };

    #[test]
    fn fitting_centres_and_hardly_enlarges() {
        let camera = Camera::fit(BOUNDS, (500.0 + 2.0 * MARGIN, 500.0), 0.0);
        assert_eq!(camera.scale, 0.5);
        assert_eq!(camera.to_screen(BOUNDS.centre()), Point { x: 250.0 + MARGIN, y: 250.0 });
        assert_eq!(Camera::fit(BOUNDS, (3000.0, 3000.0), 0.0).scale, LARGEST_FIT);
        assert_eq!(Camera::fit(BOUNDS, (0.0, 0.0), 0.0), Camera::default());
    }

    #[test]
    fn zooming_keeps_what_is_under_the_pointer() {
        let camera = Camera { offset: Point { x: 10.0, y: 20.0 }, scale: 1.0 };
        let graph = Point { x: 40.0, y: 30.0 };
        let at = camera.to_screen(graph);
        for factor in [1.5, 0.5, 100.0] {
            let there = camera.zoomed(factor, at).to_screen(graph);
            assert!((there.x - at.x).abs() < 1e-9 && (there.y - at.y).abs() < 1e-9, "{factor}");
        }
        assert_eq!(camera.zoomed(100.0, at).scale, SCALES.1);
    }

    #[test]
    fn showing_moves_as_little_as_needed() {
        let rect = Rect { x: 900.0, y: 100.0, width: 50.0, height: 50.0 };
        let camera = Camera::default();
        assert_eq!(camera.showing(rect, (1000.0, 500.0)), camera);
        assert_eq!(camera.showing(rect, (800.0, 500.0)).offset, Point { x: -150.0 - MARGIN, y: 0.0 });
    }
}
