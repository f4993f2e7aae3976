//! Draws [`ChartData`] with plotters into an SVG text. Pure.
//!
//! plotters knows colours as numbers only. Each role gets a number of its own, which is replaced by the token afterwards,
//! with the dark theme's value for where there are no tokens: the same text goes into the page, where it follows the
//! theme, and into an exported report.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::data::{ChartData, round, span};

/// Pixels of the drawing for one on the page: plotters counts in whole ones.
const FINE: u32 = 4;
/// Room below the areas for the time.
const FOOT: u32 = 16;
/// Room above the areas for the labels of marks.
const HEAD: u32 = 14;
/// Width that the words of the axis take at the left.
const AXIS: f64 = 46.0;
/// Height that each of them takes below its line.
const AXIS_LINE: f64 = 15.0;

/// Roles of colours, and what they become.
const ROLES: [(RGBColor, &str); 12] = [
    (RGBColor(1, 0, 1), "var(--version-1, #7aa2f7)"),
    (RGBColor(1, 0, 2), "var(--version-2, #e0af68)"),
    (RGBColor(1, 0, 3), "var(--version-3, #9ece6a)"),
    (RGBColor(1, 0, 4), "var(--version-4, #bb9af7)"),
    (RGBColor(1, 0, 5), "var(--version-5, #56c8d0)"),
    (RGBColor(1, 0, 6), "var(--version-6, #f08fbd)"),
    (RGBColor(1, 0, 7), "var(--version-7, #f29668)"),
    (RGBColor(1, 0, 8), "var(--version-8, #a3b0c6)"),
    (GRID, "var(--line, #262e3c)"),
    (FAINT, "var(--text-faint, #96a0b4)"),
    (TEXT, "var(--text, #d7dde8)"),
    (MARK, "var(--text-dim, #9fa9bc)\" stroke-dasharray=\"12 12"),
];
const GRID: RGBColor = RGBColor(1, 0, 9);
const FAINT: RGBColor = RGBColor(1, 0, 10);
const TEXT: RGBColor = RGBColor(1, 0, 11);
const MARK: RGBColor = RGBColor(1, 0, 12);

/// A chart could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the chart: {0}")]
pub struct DrawError(String);

/// Draws a chart for this many pixels of the page.
pub fn svg(data: &ChartData, (width, height): (u32, u32)) -> Result<String, DrawError> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (width * FINE, height * FINE)).into_drawing_area();
        draw(data, &area).map_err(|error| DrawError(error.to_string()))?;
    }
    Ok(dress(&text))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Failure<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

fn draw<'a>(data: &ChartData, area: &Area<'a>) -> Result<(), Failure<'a>> {
    let top = ceiling(data.peak());
    let mut chart = ChartBuilder::on(area)
        .margin_top(HEAD * FINE)
        .margin_bottom(FOOT * FINE)
        .build_cartesian_2d(-data.seconds..0.0, 0.0..top)?;
    for part in [0.5, 1.0] {
        let line = vec![(-data.seconds, top * part), (0.0, top * part)];
        chart.draw_series([PathElement::new(line, GRID.stroke_width(FINE))])?;
    }
    let mut below = vec![0.0; data.at.len()];
    for one in &data.areas {
        let above = below.iter().zip(&one.rps).map(|(below, rps)| below + rps).collect::<Vec<_>>();
        let upper = data.at.iter().copied().zip(above.iter().copied()).collect::<Vec<_>>();
        let lower = data.at.iter().copied().zip(below.iter().copied()).rev();
        let color = ROLES[one.color % 8].0;
        if one.rps.iter().any(|rps| *rps > 0.0) {
            let outline = upper.iter().copied().chain(lower).collect::<Vec<_>>();
            chart.draw_series([Polygon::new(outline, color.mix(0.5))])?;
            chart.draw_series([PathElement::new(upper, color.stroke_width(FINE + 1))])?;
        }
        below = above;
    }
    let (width, height) = area.dim_in_pixel();
    for mark in &data.marks {
        // Near the left edge the line spares the words of the axis.
        let spared = AXIS_LINE * f64::from(FINE) / f64::from(height - (HEAD + FOOT) * FINE);
        let pieces = if from_left(mark.at, data.seconds, width) < AXIS * f64::from(FINE) {
            vec![(0.0, 0.5 - spared), (0.5, 1.0 - spared)]
        } else {
            vec![(0.0, 1.0)]
        };
        for (low, high) in pieces {
            let line = vec![(mark.at, top * low), (mark.at, top * high)];
            chart.draw_series([PathElement::new(line, MARK.stroke_width(FINE))])?;
        }
    }
    labels(data, top, (whole(width), whole(height)), area)
}

/// Where a time is in a chart of this width.
fn from_left(at: f64, seconds: f64, width: u32) -> f64 {
    (1.0 + at / seconds) * f64::from(width)
}

fn labels<'a>(
    data: &ChartData,
    top: f64,
    (width, height): (i32, i32),
    area: &Area<'a>,
) -> Result<(), Failure<'a>> {
    let style = |size: u32, color: RGBColor, across: HPos, up: VPos| {
        (FontFamily::SansSerif, size * FINE).into_font().color(&color).pos(Pos::new(across, up))
    };
    let (left, right) = (0, width);
    let (head, foot) = (whole(HEAD * FINE), height - whole(FOOT * FINE));
    let text =
        |words: String, at: (i32, i32), style: TextStyle<'static>| area.draw(&Text::new(words, at, style));
    text(
        format!("−{}", span(data.seconds)),
        (left, height - whole(FINE)),
        style(12, FAINT, HPos::Left, VPos::Bottom),
    )?;
    text("now".to_owned(), (right, height - whole(FINE)), style(12, FAINT, HPos::Right, VPos::Bottom))?;
    for part in [0.5, 1.0] {
        #[expect(clippy::cast_possible_truncation, reason = "pixels of a chart")]
        let y = foot - (f64::from(foot - head) * part) as i32;
        let words = format!("{} rps", round(top * part).trim_end_matches(".0"));
        text(words, (left + whole(2 * FINE), y + whole(3 * FINE)), style(11, FAINT, HPos::Left, VPos::Top))?;
    }
    // From the newest on: a label that has no room before the next one is left out, the mark stays.
    let mut free = right + 1;
    for mark in data.marks.iter().rev() {
        let letters = i32::try_from(mark.label.chars().count()).unwrap_or(0);
        let long = letters * whole(FINE) * 58 / 10;
        #[expect(clippy::cast_possible_truncation, reason = "pixels of a chart")]
        let x = from_left(mark.at, data.seconds, width.unsigned_abs()) as i32;
        let gap = whole(4 * FINE);
        let (at, across, begins) = if x + gap + long <= free {
            (x, HPos::Left, x)
        } else if free > right && x - long - gap >= left {
            (x, HPos::Right, x - long - gap)
        } else {
            continue;
        };
        text(mark.label.clone(), (at, whole(FINE)), style(12, TEXT, across, VPos::Top))?;
        free = begins - gap;
    }
    Ok(())
}

/// Numbers become tokens, and the drawing takes the size that the page gives it.
fn dress(text: &str) -> String {
    let mut dressed = text.to_owned();
    for (color, token) in ROLES {
        let RGBColor(red, green, blue) = color;
        dressed = dressed.replace(&format!("#{red:02X}{green:02X}{blue:02X}"), token);
    }
    let Some((head, rest)) = dressed.split_once("viewBox") else { return dressed };
    let keep = head.find("<svg").map_or(0, |at| at + 4);
    format!("{} aria-hidden=\"true\" viewBox{rest}", &head[..keep])
}

/// The next round number above the peak.
fn ceiling(peak: f64) -> f64 {
    if peak <= 0.0 {
        return 1.0;
    }
    let mut power = 1.0;
    while power > peak {
        power /= 10.0;
    }
    while power * 10.0 <= peak {
        power *= 10.0;
    }
    let steps = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0];
    steps.iter().map(|step| step * power).find(|step| *step >= peak * 1.02).unwrap_or(10.0 * power)
}

fn whole(pixels: u32) -> i32 {
    i32::try_from(pixels).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::data::Window;
    use super::super::data::tests::{history, revision};
    use super::*;

    fn data(revisions: &[(u64, i64, &str)]) -> ChartData {
        let revisions =
            revisions.iter().map(|(number, at, summary)| revision(*number, *at, summary)).collect::<Vec<_>>();
        ChartData::new(&history(), &revisions, &["v1".into(), "v2".into()], Window::Minute)
    }

    #[test]
    fn colours_are_tokens() {
        let text = svg(&data(&[(42, 1_071_500, "reviews: split 100/0 → 75/25")]), (370, 140)).unwrap();
        assert!(text.contains(r#"fill="var(--version-1, #7aa2f7)""#), "{text}");
        assert!(text.contains(r#"fill="var(--version-2, #e0af68)""#));
        assert!(text.contains("stroke-dasharray"));
        assert!(text.contains("rev 42 · split 75/25"));
        assert!(!text.contains("#0100"), "a number was left: {text}");
        assert!(text.starts_with("<svg aria-hidden"));
        assert!(text.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn what_people_write_is_escaped() {
        let text = svg(&data(&[(42, 1_071_500, "x: <script>alert(1)</script>")]), (370, 140)).unwrap();
        assert!(!text.contains("<script"), "{text}");
    }

    #[test]
    fn labels_do_not_overlap() {
        let text =
            svg(&data(&[(41, 1_070_500, "a: first"), (42, 1_071_500, "a: second")]), (370, 140)).unwrap();
        assert_eq!((text.matches("rev 41").count(), text.matches("rev 42").count()), (0, 1));
        assert_eq!(text.matches("stroke-dasharray").count(), 2);
    }

    #[test]
    fn a_mark_spares_the_words_of_the_axis() {
        let text = svg(&data(&[(41, 1_042_500, "a: at the left")]), (370, 140)).unwrap();
        assert_eq!(text.matches("stroke-dasharray").count(), 2, "one mark in two pieces: {text}");
    }

    #[test]
    fn an_empty_chart_is_drawn() {
        let empty = ChartData { seconds: 60.0, ..ChartData::default() };
        assert!(svg(&empty, (370, 140)).unwrap().contains("now"));
    }

    #[test]
    fn ceilings_are_round() {
        for (peak, expected) in
            [(0.0, 1.0), (117.0, 120.0), (120.0, 150.0), (0.3, 0.4), (81.0, 100.0), (990.0, 1000.0)]
        {
            assert!((ceiling(peak) - expected).abs() < 1e-9, "{peak}: {}", ceiling(peak));
        }
    }
}
