//! Figures of a host, read as Prometheus reads them.

use std::collections::BTreeMap;

/// One scrape.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Value by `name{labels}` as exposed.
    samples: BTreeMap<String, f64>,
}

impl Metrics {
    /// Reads the text format; lines that are no samples are skipped.
    ///
    /// # Example
    ///
    /// ```
    /// let text = "# TYPE a counter\na_total{verb=\"get\"} 2\na_total{verb=\"list\"} 3\n";
    /// let metrics = polyreme_tests::Metrics::parse(text);
    /// assert_eq!(metrics.sum("a_total", &[]), 5.0);
    /// assert_eq!(metrics.sum("a_total", &["verb=\"get\""]), 2.0);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self { samples: text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect() }
    }

    /// The sum over all series of `name` that have every one of `labels`, each written as
    /// exposed (`code="200"`).
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let of_name = |series: &str| series.split('{').next() == Some(name);
        let matching = |series: &str| labels.iter().all(|label| series.contains(label));
        let chosen = self.samples.iter().filter(|(series, _)| of_name(series) && matching(series));
        chosen.map(|(_, value)| value).sum()
    }
}
