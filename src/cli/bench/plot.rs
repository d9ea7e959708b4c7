//! Plots as SVG: lines over an axis of numbers, with units, a legend, and both of a page's colour schemes.

use std::fmt::Write as _;

use super::axis::{Axis, Scale};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 46.0;

/// Most points of a line; more would not be seen.
const MOST_POINTS: usize = 400;

/// The colours of lines differ, and so do their dashes.
const STYLE: &str = "\
.plot{--ink:#1f2328;--faint:#656d76;--grid:#d0d7de;--band:#eaeef2;--c0:#0550ae;--c1:#bc4c00;--c2:#116329;--c3:#8250df;\
font:12px system-ui,sans-serif}\
@media(prefers-color-scheme:dark){.plot{--ink:#e6edf3;--faint:#8d96a0;--grid:#3d444d;--band:#21262d;--c0:#79c0ff;\
--c1:#ffa657;--c2:#7ee787;--c3:#d2a8ff}}\
.plot text{fill:var(--ink)}.plot .faint{fill:var(--faint)}.plot .name{font-weight:600;font-size:14px}\
.plot .grid{stroke:var(--grid);stroke-width:1}.plot .band{fill:var(--band)}\
.plot .line{fill:none;stroke-width:2;stroke-linejoin:round}.plot .level{stroke:var(--faint);stroke-dasharray:2 4}\
.plot .k0{stroke:var(--c0)}.plot .k1{stroke:var(--c1);stroke-dasharray:7 3}\
.plot .k2{stroke:var(--c2);stroke-dasharray:2 3}.plot .k3{stroke:var(--c3);stroke-dasharray:9 3 2 3}\
.plot .d0{fill:var(--c0)}.plot .d1{fill:var(--c1)}.plot .d2{fill:var(--c2)}.plot .d3{fill:var(--c3)}";

/// A plot.
pub(super) struct Plot {
    /// A short name for files and anchors, in small letters and hyphens.
    pub(super) id: String,
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Series>,
    pub(super) bands: Vec<Band>,
    /// A horizontal line with its name, for comparison.
    pub(super) level: Option<(f64, String)>,
    /// Whether each point has a dot.
    pub(super) dots: bool,
}

/// A line with its name. A point that is no number is a gap.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// A stretch of the horizontal axis with a name.
pub(super) struct Band {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) name: String,
}

impl Plot {
    /// Returns whether there is anything to see.
    pub(super) fn is_empty(&self) -> bool {
        self.points().next().is_none()
    }

    /// Returns the plot as an SVG element.
    pub(super) fn svg(&self) -> String {
        let level = self.level.iter().map(|(value, _)| *value);
        let bands = self.bands.iter().flat_map(|band| [band.from, band.to]);
        let x = Scale::new(&self.x, self.points().map(|(x, _)| x).chain(bands), LEFT, WIDTH - RIGHT);
        let y = Scale::new(
            &self.y,
            self.points().map(|(_, y)| y).chain(level),
            HEIGHT - BOTTOM,
            TOP,
        );
        let mut svg = String::new();
        // Writing to a text does not fail.
        let _ = self.draw(&mut svg, &x, &y);
        svg
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        let points = self.lines.iter().flat_map(|line| line.points.iter().copied());
        points.filter(|(x, y)| self.x.shows(*x) && self.y.shows(*y))
    }

    fn draw(&self, svg: &mut String, x: &Scale, y: &Scale) -> std::fmt::Result {
        let (id, title) = (&self.id, escaped(&self.title));
        write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-labelledby=\"{id}-title\"><title id=\"{id}-title\">{title}: {} by {}</title><style>{STYLE}</style>",
            escaped(&self.y.label),
            escaped(&self.x.label),
        )?;
        write!(svg, "<text class=\"name\" x=\"12\" y=\"20\">{title}</text>")?;
        self.draw_bands(svg, x)?;
        self.draw_axes(svg, x, y)?;
        if let Some((value, name)) = &self.level {
            let (at, end, name) = (y.place(*value), WIDTH - RIGHT, escaped(name));
            write!(svg, "<path class=\"level\" d=\"M{LEFT} {at:.1}H{end}\"/>")?;
            write!(
                svg,
                "<text class=\"faint\" x=\"{end}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
                at - 4.0
            )?;
        }
        for (place, line) in self.lines.iter().enumerate() {
            let points = self.placed(line, x, y);
            let kind = place % 4;
            write!(svg, "<path class=\"line k{kind}\" d=\"{}\"/>", path(&points))?;
            for (x, y) in points
                .iter()
                .filter(|(x, y)| self.dots && x.is_finite() && y.is_finite())
            {
                write!(svg, "<circle class=\"d{kind}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>")?;
            }
        }
        self.draw_legend(svg)?;
        svg.write_str("</svg>")
    }

    fn placed(&self, line: &Series, x: &Scale, y: &Scale) -> Vec<(f64, f64)> {
        let place = |(at, value): (f64, f64)| {
            if self.x.shows(at) && self.y.shows(value) {
                (x.place(at), y.place(value))
            } else {
                (f64::NAN, f64::NAN)
            }
        };
        thinned(&line.points).into_iter().map(place).collect()
    }

    fn draw_bands(&self, svg: &mut String, x: &Scale) -> std::fmt::Result {
        let height = HEIGHT - TOP - BOTTOM;
        for band in &self.bands {
            let from = x.place(band.from);
            let width = (x.place(band.to) - from).max(0.5);
            write!(
                svg,
                "<rect class=\"band\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"/>"
            )?;
            // A name that is wider than its band is left out.
            if width >= 7.0 * super::population::float(band.name.len() as u64) {
                let (middle, name) = (from + width / 2.0, escaped(&band.name));
                write!(
                    svg,
                    "<text class=\"faint\" x=\"{middle:.1}\" y=\"{}\" text-anchor=\"middle\">{name}</text>",
                    TOP - 4.0
                )?;
            }
        }
        Ok(())
    }

    fn draw_axes(&self, svg: &mut String, x: &Scale, y: &Scale) -> std::fmt::Result {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (value, label) in y.ticks() {
            let at = y.place(value);
            write!(svg, "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"/>")?;
            write!(
                svg,
                "<text class=\"faint\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                LEFT - 6.0,
                at + 4.0
            )?;
        }
        for (value, label) in x.ticks() {
            let at = x.place(value);
            write!(svg, "<path class=\"grid\" d=\"M{at:.1} {bottom}v5\"/>")?;
            write!(
                svg,
                "<text class=\"faint\" x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
                bottom + 18.0
            )?;
        }
        let middle = f64::midpoint(LEFT, right);
        let (x_label, y_label) = (escaped(&self.x.label), escaped(&self.y.label));
        write!(
            svg,
            "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{x_label}</text>",
            HEIGHT - 8.0
        )?;
        write!(svg, "<text x=\"12\" y=\"{}\">{y_label}</text>", TOP - 24.0)
    }

    /// Draws the names of the lines at the right of the title.
    fn draw_legend(&self, svg: &mut String) -> std::fmt::Result {
        if self.lines.len() < 2 {
            return Ok(());
        }
        let mut at = WIDTH - RIGHT;
        for (place, line) in self.lines.iter().enumerate().rev() {
            at -= 7.0 * super::population::float(line.name.chars().count() as u64);
            let name = escaped(&line.name);
            write!(svg, "<text x=\"{at:.1}\" y=\"{}\">{name}</text>", TOP - 24.0)?;
            at -= 32.0;
            write!(
                svg,
                "<path class=\"line k{}\" d=\"M{at:.1} {}h26\"/>",
                place % 4,
                TOP - 28.0
            )?;
            at -= 14.0;
        }
        Ok(())
    }
}

/// Returns the path through points. A gap ends a piece of it.
fn path(points: &[(f64, f64)]) -> String {
    let (mut path, mut is_down) = (String::new(), false);
    for (x, y) in points {
        if !(x.is_finite() && y.is_finite()) {
            is_down = false;
            continue;
        }
        let command = if is_down { 'L' } else { 'M' };
        // Writing to a text does not fail.
        let _ = write!(path, "{command}{x:.1} {y:.1}");
        is_down = true;
    }
    path
}

/// Returns the highest point of each of a few groups, so that a peak is seen however many points there are.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let group = points.len().div_ceil(MOST_POINTS).max(1);
    let highest = |group: &[(f64, f64)]| {
        let numbers = group.iter().copied().filter(|(_, value)| value.is_finite());
        let highest = numbers.max_by(|one, other| one.1.total_cmp(&other.1));
        highest.or_else(|| group.first().copied())
    };
    points.chunks(group).filter_map(highest).collect()
}

/// Returns a text as it stands in XML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot() -> Plot {
        Plot {
            id: "rate".to_owned(),
            title: "Rate & <more>".to_owned(),
            x: Axis::linear("Time (s)"),
            y: Axis::linear("Events/s"),
            lines: vec![
                Series {
                    name: "accepted".to_owned(),
                    points: vec![(0.0, 0.0), (5.0, 900.0), (10.0, 450.0)],
                },
                Series {
                    name: "processed".to_owned(),
                    points: vec![(0.0, 10.0), (5.0, f64::NAN), (10.0, 20.0)],
                },
            ],
            bands: vec![Band {
                from: 2.0,
                to: 4.0,
                name: "2x".to_owned(),
            }],
            level: Some((800.0, "capacity".to_owned())),
            dots: true,
        }
    }

    #[test]
    fn a_path_has_a_gap_where_there_is_no_number() {
        assert_eq!(path(&[(1.0, 2.0), (3.04, 4.0)]), "M1.0 2.0L3.0 4.0");
        let gap = [(1.0, 1.0), (2.0, f64::NAN), (3.0, 1.0), (4.0, 1.0)];
        assert_eq!(path(&gap), "M1.0 1.0M3.0 1.0L4.0 1.0");
        assert_eq!(path(&[]), "");
    }

    #[test]
    fn a_plot_has_its_axes_lines_bands_and_names() {
        let svg = plot().svg();
        for part in [
            "Rate &amp; &lt;more&gt;",
            "Time (s)",
            "Events/s",
            ">accepted<",
            ">2x<",
            ">capacity<",
            ">1,000<",
        ] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        // The highest point of the first line: at the middle, 900 of 1,000.
        let (middle, height) = (f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - BOTTOM - TOP);
        let top = HEIGHT - BOTTOM - height * 0.9;
        assert!(svg.contains(&format!("L{middle:.1} {top:.1}")), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 5, "the gap has no dot");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn a_plot_of_nothing_is_empty_and_draws_all_the_same() {
        let mut empty = plot();
        empty.lines.clear();
        empty.bands.clear();
        assert!(empty.is_empty() && !plot().is_empty());
        assert!(!empty.svg().contains("NaN"));
    }

    #[test]
    fn many_points_are_thinned_to_their_peaks() {
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|at| (f64::from(at), 1.0)).collect();
        points[5_000].1 = 99.0;
        let thinned = thinned(&points);
        assert!(thinned.len() <= MOST_POINTS && thinned.contains(&(5_000.0, 99.0)));
    }
}
