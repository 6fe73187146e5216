use proptest::prelude::*;

use super::*;
use crate::align::moment::Window;
use crate::align::pairing::Places;
use crate::model::{Nanos, Span};

fn choose(edges: Vec<Edge<'_>>, lines: Lines<'_>) -> Vec<Choice> {
    super::choose(&Edges::new(edges), lines, Threads::default())
}

fn at(millis: i64) -> Window {
    let time = Nanos(0) + Span::millis(millis);
    Window::acted(time, time + Span::millis(1))
}

fn edge(row: usize, wire: usize, score: f64, places: &[(u64, Window)]) -> Edge<'_> {
    let places = Places::All(places);
    Edge {
        row,
        column: (wire, None),
        score,
        places,
        left_out: f64::NEG_INFINITY,
    }
}

#[test]
fn the_order_of_lines_tells_twins_apart() {
    let (early, late) = (at(100), at(500));
    let (first_early, first_late) = ([(1, early)], [(1, late)]);
    let (second_early, second_late) = ([(2, early)], [(2, late)]);
    let chosen = choose(
        vec![
            edge(0, 7, 5.0, &first_late),
            edge(0, 8, 5.0, &first_early),
            edge(1, 7, 5.0, &second_late),
            edge(1, 8, 5.0, &second_early),
        ],
        Lines::InOrder(&Jitter::default()),
    );
    let columns: Vec<usize> = chosen.iter().map(|choice| choice.column.0).collect();
    assert_eq!(columns, [8, 7]);
    assert!(
        chosen.iter().all(|choice| choice.margin >= CLEAR),
        "{chosen:?}"
    );
}

/// Rows of a line each that may be of some sessions, by how much each is worth there and when that was, in order of sessions.
fn groups() -> impl Strategy<Value = Vec<Vec<Option<(u8, u16)>>>> {
    let pair = proptest::option::of((0u8..20, 0u16..400));
    proptest::collection::vec(proptest::collection::vec(pair, 5), 3..7)
}

proptest! {
    #[test]
    fn what_is_not_looked_at_could_make_no_margin_less(rows in groups()) {
        let places: Vec<Vec<[(u64, Window); 1]>> = (0u64..)
            .zip(&rows)
            .map(|(line, row)| row.iter().map(|pair| [(line, at(pair.map_or(0, |(_, millis)| millis.into())))]).collect())
            .collect();
        let mut edges = Vec::new();
        for (row, pairs) in rows.iter().enumerate() {
            for (wire, pair) in pairs.iter().enumerate() {
                edges.extend(pair.map(|(score, _)| edge(row, wire, f64::from(score) / 2.0, &places[row][wire])));
            }
        }
        let jitter = Jitter::default();
        let group = Component::new(&edges, Lines::InOrder(&jitter));
        let best = group.best();
        let mut chosen = Chosen::new(group.rows(), group.columns.len());
        for (row, edge) in best.edges.iter().enumerate() {
            if let Some(edge) = *edge {
                group.take(&mut chosen, row, edge);
            }
        }
        group.keep_order(&mut chosen);
        let mut bounded = Around::of(&group, &best, &chosen);
        let mut unbounded = Around::of(&group, &best, &chosen);
        unbounded.ahead = f64::INFINITY;
        for row in (0..group.rows()).filter(|&row| chosen.of(row).is_some()) {
            let margins = [&mut bounded, &mut unbounded].map(|around| group.margin(Some(around), &chosen, row));
            prop_assert!((margins[0] - margins[1]).abs() < 1e-9, "{margins:?}");
        }
    }
}

#[test]
fn a_session_that_two_rows_may_be_is_neithers() {
    let (one, other) = ([(1, at(100))], [(2, at(102))]);
    for lines in [Lines::Unknown, Lines::InOrder(&Jitter::default())] {
        let chosen = choose(vec![edge(0, 7, 5.0, &one), edge(1, 7, 4.9, &other)], lines);
        assert!(
            chosen.iter().all(|choice| choice.margin < CLEAR),
            "{chosen:?}"
        );
    }
}

#[test]
fn a_session_that_another_row_waits_for_is_neithers_among_however_many() {
    let places: Vec<[(u64, Window); 1]> = (0u8..80)
        .map(|row| [(row.into(), at(100 * i64::from(row)))])
        .collect();
    for rows in [3, 20, 80] {
        // What all fit too badly to be it holds them together.
        let mut edges = Vec::new();
        for (row, places) in places.iter().enumerate().take(rows) {
            if row + 1 < rows {
                edges.push(edge(row, row, 9.0, places));
                edges.push(edge(row, 100, 0.5, places));
            } else {
                edges.push(edge(row, 0, 8.9, places));
                edges.push(edge(row, 100, 0.5, places));
            }
        }
        let chosen = choose(edges, Lines::Unknown);
        let is_clear = |row: usize| {
            let mut of_row = chosen.iter().filter(|choice| choice.row == row);
            of_row.any(|choice| choice.margin >= CLEAR)
        };
        assert!(
            !is_clear(0) && !is_clear(rows - 1) && is_clear(1),
            "{rows}: {chosen:?}"
        );
    }
}

#[test]
fn twins_at_one_moment_are_not_told_apart() {
    let (one, other) = (at(100), at(105));
    let (a, b) = ([(1, one)], [(1, other)]);
    let (c, d) = ([(2, one)], [(2, other)]);
    let chosen = choose(
        vec![
            edge(0, 7, 5.0, &a),
            edge(0, 8, 5.0, &b),
            edge(1, 7, 5.0, &c),
            edge(1, 8, 5.0, &d),
        ],
        Lines::InOrder(&Jitter::default()),
    );
    assert_eq!(chosen.len(), 2);
    assert!(
        chosen.iter().all(|choice| choice.margin < CLEAR),
        "{chosen:?}"
    );
}
