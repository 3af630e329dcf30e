//! For each pixel of the result, the pixels of one side that it is made of, and their weights.

use std::f64::consts::PI;

use super::plan::Span;
use crate::bundle::{Filter, Resize};

/// One side of a picture as it is stored, along which an upright axis lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    /// Pixels that are stored.
    pub(super) pixels: u32,
    /// Pixels of the file, before a decoder divided them.
    pub(super) full: u32,
    /// By what it divided them.
    pub(super) by: u32,
    /// Whether the upright axis begins at the last pixel.
    pub(super) mirrored: bool,
}

impl Line {
    /// The line of the file, from its upright beginning on.
    fn undivided(self) -> Self {
        Self { pixels: self.full, by: 1, mirrored: false, ..self }
    }
}

/// The weights of one axis, in the order of the upright result.
#[derive(Debug)]
pub(super) struct Axis {
    /// The first pixel of each result's neighbours, as stored.
    pub(super) starts: Vec<usize>,
    /// `taps` for each result: of its neighbours, then zeros.
    pub(super) weights: Vec<f64>,
    /// Neighbours of a result at most.
    pub(super) taps: usize,
    /// Whether each result is the one pixel that it starts at.
    pub(super) is_copy: bool,
}

/// Neighbours of one result: the first one, and a weight for each.
type Neighbours = (usize, Vec<f64>);

impl Axis {
    pub(super) fn new(line: Line, span: Span, resize: Resize) -> Self {
        let centres = Centres::new(line, span.resized);
        let results = span.first..span.first + span.count;
        let filter = resize.filter;
        let found: Vec<Neighbours> = match filter {
            Filter::Nearest => nearest(&centres, results.end)
                .skip(results.start as usize)
                .map(|pixel| (pixel, vec![1.0]))
                .collect(),
            _ if resize.antialias && line.by > 1 => {
                let whole = Centres::new(line.undivided(), span.resized);
                let of_whole = |result| convolved(&whole, result, filter);
                results.map(|result| divided(line, of_whole(result))).collect()
            }
            _ if resize.antialias => {
                results.map(|result| convolved(&centres, result, filter)).collect()
            }
            _ => results.map(|result| interpolated(&centres, result, filter)).collect(),
        };
        Self::of(found, line)
    }

    fn of(found: Vec<Neighbours>, line: Line) -> Self {
        let pixels = line.pixels as usize;
        let taps = found.iter().map(|(_, weights)| weights.len()).max().unwrap_or(1);
        let mut starts = Vec::with_capacity(found.len());
        let mut padded = Vec::with_capacity(found.len() * taps);
        for (start, mut weights) in found {
            let start = if line.mirrored {
                weights.reverse();
                pixels - start - weights.len()
            } else {
                start
            };
            // Zeros in front where the line ends: reading `taps` pixels is always within it.
            let before = (start + taps).saturating_sub(pixels).min(start);
            starts.push(start - before);
            let end = padded.len() + taps;
            padded.extend(std::iter::repeat_n(0.0, before));
            padded.extend(weights);
            padded.resize(end, 0.0);
        }
        let is_copy = taps == 1 || padded.chunks_exact(taps).all(is_identity);
        Self { starts, weights: padded, taps, is_copy }.shortened()
    }

    /// One tap where each result is one pixel.
    fn shortened(self) -> Self {
        if !self.is_copy || self.taps == 1 {
            return self;
        }
        let one = |(start, weights): (&usize, &[f64])| {
            start + weights.iter().position(|weight| *weight > 0.5).unwrap_or_default()
        };
        let starts: Vec<usize> =
            self.starts.iter().zip(self.weights.chunks_exact(self.taps)).map(one).collect();
        Self { weights: vec![1.0; starts.len()], starts, taps: 1, is_copy: true }
    }

    /// Results.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The stored pixels that all results are made of: the first, and one behind the last.
    pub(super) fn reach(&self) -> (usize, usize) {
        let first = self.starts.iter().min().copied().unwrap_or_default();
        let last = self.starts.iter().max().copied().unwrap_or_default();
        (first, last + self.taps)
    }

    /// The same over a line that begins `by` pixels later.
    pub(super) fn shifted(&self, by: usize) -> Vec<usize> {
        self.starts.iter().map(|start| start - by).collect()
    }
}

fn is_identity(weights: &[f64]) -> bool {
    let mut others = weights.iter().filter(|weight| weight.abs() > 1e-12);
    others.next().is_some_and(|weight| (weight - 1.0).abs() < 1e-12) && others.next().is_none()
}

/// Where the centres of the results lie, in pixels that are stored, counted in upright order.
struct Centres {
    pixels: usize,
    scale: f64,
    /// A mirrored line begins with the pixel that the division left incomplete.
    offset: f64,
}

impl Centres {
    fn new(line: Line, resized: u32) -> Self {
        let Line { pixels, full, by, mirrored } = line;
        let divided = f64::from(full) / f64::from(by);
        let offset = if mirrored { f64::from(pixels) - divided } else { 0.0 };
        Self { pixels: pixels as usize, scale: divided / f64::from(resized.max(1)), offset }
    }

    fn of(&self, result: u32) -> f64 {
        self.offset + (f64::from(result) + 0.5) * self.scale
    }

    /// A pixel's number, at most one behind the last.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Clamped.
    fn clamp(&self, place: f64) -> usize {
        (place.max(0.0) as usize).min(self.pixels)
    }
}

/// Pillow's `precompute_coeffs`, up to its rounding.
#[allow(clippy::cast_precision_loss)] // Pixel numbers.
fn convolved(centres: &Centres, result: u32, filter: Filter) -> Neighbours {
    let widened = centres.scale.max(1.0);
    let support = support(filter) * widened;
    let centre = centres.of(result);
    let first = centres.clamp(centre - support + 0.5);
    let end = centres.clamp(centre + support + 0.5).max(first);
    let (first, end) = if first == end {
        (first.min(centres.pixels.saturating_sub(1)), first.max(1).min(centres.pixels))
    } else {
        (first, end)
    };
    let inverse = 1.0 / widened;
    let weight = |pixel: usize| kernel(filter, (pixel as f64 - centre + 0.5) * inverse);
    let mut weights: Vec<f64> = (first..end).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    if sum != 0.0 {
        for weight in &mut weights {
            *weight /= sum;
        }
    }
    (first, weights)
}

/// Pixels on either side of a filter that [`divided`] uses too; what is further away would get less
/// than a hundredth of them.
const AROUND: usize = 3;

/// The weights of a divided line that come nearest to those of the whole line.
///
/// A divided pixel is the mean of `by` pixels, so the sum of weights up to a place is a straight line
/// within it. The weights are those whose sums differ least, by their squares, from the sums of the
/// whole line's: for pictures with a natural spectrum (power falls with the square of the frequency)
/// that is the least error. To weight divided pixels by the distance to their centres would blur.
#[allow(clippy::cast_precision_loss)] // Pixel numbers.
fn divided(line: Line, (first, whole): Neighbours) -> Neighbours {
    let (by, pixels) = (line.by as usize, line.pixels as usize);
    // A mirrored line begins with the pixel that the division left incomplete.
    let missing = (pixels * by).saturating_sub(line.full as usize);
    let begin = first + if line.mirrored { missing } else { 0 };
    let start = (begin / by).saturating_sub(AROUND);
    let end = ((begin + whole.len()).div_ceil(by) + AROUND).min(pixels);
    // At the edges between whole pixels, from the first divided pixel's to the last one's.
    let mut sum = 0.0;
    let mut sums = vec![0.0; begin - start * by + 1];
    sums.extend(whole.iter().map(|weight| {
        sum += weight;
        sum
    }));
    sums.resize((end - start) * by + 1, sum);
    // At the edges between divided pixels: normal equations, whose matrix has three diagonals.
    let hat = |distance: usize| 1.0 - distance as f64 / by as f64;
    let diagonal: f64 = (0..by).map(|at| hat(at) * hat(at)).sum::<f64>() * 2.0 - 1.0;
    let beside: f64 = (1..by).map(|at| hat(at) * hat(by - at)).sum();
    let inner = (end - start).saturating_sub(1);
    let mut knots: Vec<f64> = (1..=inner)
        .map(|knot| {
            let middle = knot * by;
            let near = middle - by + 1..middle + by;
            near.map(|at| hat(at.abs_diff(middle)) * sums[at]).sum()
        })
        .collect();
    if let Some(last) = knots.last_mut() {
        *last -= beside * sum;
    }
    solve(diagonal, beside, &mut knots);
    knots.push(sum);
    let mut before = 0.0;
    let step = |knot: f64| knot - std::mem::replace(&mut before, knot);
    (start, knots.into_iter().map(step).collect())
}

/// Solve a system with a symmetric matrix of three constant diagonals.
fn solve(diagonal: f64, beside: f64, values: &mut [f64]) {
    let mut pivots = Vec::with_capacity(values.len());
    let (mut before, mut pivot) = (0.0, f64::INFINITY);
    for value in values.iter_mut() {
        let factor = beside / pivot;
        pivot = diagonal - factor * beside;
        *value -= factor * before;
        before = *value;
        pivots.push(pivot);
    }
    let mut behind = 0.0;
    for (value, pivot) in values.iter_mut().zip(pivots).rev() {
        *value = (*value - beside * behind) / pivot;
        behind = *value;
    }
}

fn support(filter: Filter) -> f64 {
    match filter {
        Filter::Nearest => 0.5,
        Filter::Bilinear => 1.0,
        Filter::Bicubic => 2.0,
        Filter::Lanczos => 3.0,
    }
}

fn kernel(filter: Filter, x: f64) -> f64 {
    match filter {
        Filter::Nearest => 1.0,
        Filter::Bilinear => (1.0 - x.abs()).max(0.0),
        Filter::Bicubic => cubic(x, -0.5),
        Filter::Lanczos if x.abs() < 3.0 => sinc(x) * sinc(x / 3.0),
        Filter::Lanczos => 0.0,
    }
}

/// Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981).
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) }
}

/// Pillow's `NEAREST`, which adds the scale up from the first result on; so its ties are the same.
fn nearest(centres: &Centres, end: u32) -> impl Iterator<Item = usize> {
    let last = centres.pixels.saturating_sub(1);
    let first = centres.offset + centres.scale * 0.5;
    let places = std::iter::successors(Some(first), |place| Some(place + centres.scale));
    places.take(end as usize).map(move |place| centres.clamp(place).min(last))
}

/// `torch.nn.functional.interpolate` with `align_corners=False` and without antialiasing: the nearest two or
/// four pixels, the edge repeated.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // Pixel numbers.
fn interpolated(centres: &Centres, result: u32, filter: Filter) -> Neighbours {
    let last = centres.pixels.saturating_sub(1);
    let place = centres.of(result) - 0.5;
    let inside = |pixel: f64| centres.clamp(pixel).min(last);
    let given: Vec<(usize, f64)> = if filter == Filter::Bicubic {
        let left = place.floor();
        let around = (-1..=2).map(|step| left + f64::from(step));
        around.map(|pixel| (inside(pixel), cubic(place - pixel, -0.75))).collect()
    } else {
        let left = place.max(0.0).floor();
        let share = place.max(0.0) - left;
        vec![(inside(left), 1.0 - share), (inside(left + 1.0), share)]
    };
    let first = given.iter().map(|(pixel, _)| *pixel).min().unwrap_or_default();
    let end = given.iter().map(|(pixel, _)| *pixel).max().unwrap_or_default();
    let mut weights = vec![0.0; end - first + 1];
    for (pixel, weight) in given {
        weights[pixel - first] += weight;
    }
    (first, weights)
}
