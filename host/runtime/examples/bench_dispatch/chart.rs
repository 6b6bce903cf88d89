//! The figures as a picture: one bar each for fresh and warm, on a logarithmic scale.

use std::path::Path;

use plotters::prelude::*;

use crate::Failure;
use crate::languages::Row;

const WIDTH: u32 = 760;
const ROW_HEIGHT: u32 = 64;
const MARGINS: u32 = 120;
const LEAST_US: f64 = 5.0;
/// Of a row's height, which is 1.
const BAR: f64 = 0.36;
const FRESH: RGBColor = RGBColor(31, 97, 141);
const WARM: RGBColor = RGBColor(211, 126, 33);

/// Draws the medians; the line is the native function.
pub(crate) fn draw(file: &Path, rows: &[Row], native: f64) -> Result<(), Failure> {
    let height = MARGINS + ROW_HEIGHT * u32::try_from(rows.len())?;
    let area = SVGBackend::new(file, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let most = rows.iter().map(|row| row.fresh[0]).fold(native, f64::max) * 4.0;
    let count = rows.len() as f64;
    let mut chart = ChartBuilder::on(&area)
        .caption("One reconcile: 2.2 KB object, one cached read (median, µs)", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(32)
        .y_label_area_size(8)
        .build_cartesian_2d((LEAST_US..most).log_scale(), count..0.0)?;
    chart.configure_mesh().disable_y_mesh().disable_y_axis().draw()?;
    for (name, colour, offset, value) in [
        ("fresh instance", FRESH, 0.12, (|row: &Row| row.fresh[0]) as fn(&Row) -> f64),
        ("warm instance", WARM, 0.12 + BAR, |row: &Row| row.warm[0]),
    ] {
        let bars = rows.iter().enumerate().map(|(index, row)| {
            let top = index as f64 + offset;
            Rectangle::new([(LEAST_US, top), (value(row), top + BAR)], colour.filled())
        });
        let legend = move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled());
        chart.draw_series(bars)?.label(name).legend(legend);
        chart.draw_series(rows.iter().enumerate().map(|(index, row)| {
            let text = format!("{}  {:.0}", row.name, value(row));
            Text::new(text, (value(row) * 1.06, index as f64 + offset + 0.08), ("sans-serif", 14))
        }))?;
    }
    let line = LineSeries::new([(native, 0.0), (native, count)], BLACK.stroke_width(1));
    let legend = |(x, y)| PathElement::new([(x, y), (x + 12, y)], BLACK);
    chart.draw_series(line)?.label(format!("native Rust {native:.0}")).legend(legend);
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 13))
        .draw()?;
    area.present()?;
    Ok(())
}
