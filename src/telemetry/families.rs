//! Values of the metrics at one moment, and their text. A value that is given twice stands there once: Prometheus refuses doubles.

use std::collections::BTreeMap;

use prometheus::TextEncoder;
use prometheus::core::Collector as _;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto;

use super::histogram::Histogram;
use super::metrics::{Kind, METRICS, Metric};

/// Values of the metrics.
#[derive(Debug, Default)]
pub struct Families {
    /// By metric, then by the values of its labels.
    values: BTreeMap<&'static str, BTreeMap<Vec<String>, proto::Metric>>,
}

impl Families {
    /// A counter or a gauge has this value. The labels' values stand in the order of the metric's labels.
    pub fn set(&mut self, metric: &Metric, labels: &[&str], value: f64) {
        let mut of = proto::Metric::default();
        match metric.kind {
            Kind::Counter => {
                let mut counter = proto::Counter::default();
                counter.set_value(value);
                of.set_counter(counter);
            }
            Kind::Gauge | Kind::Histogram => {
                let mut gauge = proto::Gauge::default();
                gauge.set_value(value);
                of.set_gauge(gauge);
            }
        }
        self.put(metric, labels, of);
    }

    /// A counter or a gauge has this value.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus knows floats only; counts beyond 2^53 lose their last digit there")]
    pub fn count(&mut self, metric: &Metric, labels: &[&str], value: u64) {
        self.set(metric, labels, value as f64);
    }

    /// A histogram stands like this.
    pub fn histogram(&mut self, metric: &Metric, labels: &[&str], times: &Histogram) {
        let mut histogram = proto::Histogram::default();
        histogram.set_sample_count(times.count());
        histogram.set_sample_sum(times.sum().as_secs_f64());
        let buckets = times.cumulative().map(|(bound, count)| {
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(bound.as_secs_f64());
            bucket.set_cumulative_count(count);
            bucket
        });
        histogram.set_bucket(buckets.collect());
        let mut of = proto::Metric::default();
        of.set_histogram(histogram);
        self.put(metric, labels, of);
    }

    fn put(&mut self, metric: &Metric, labels: &[&str], mut value: proto::Metric) {
        let pairs = metric.labels.iter().zip(labels).map(|(name, value)| {
            let mut pair = proto::LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        });
        value.set_label(pairs.collect());
        let labels = labels.iter().map(|it| (*it).to_owned()).collect();
        self.values.entry(metric.name).or_default().insert(labels, value);
    }

    /// All of it, with what the system tells of this process, in Prometheus' text format.
    #[must_use]
    pub fn text(mut self) -> String {
        let mut families = Vec::new();
        for metric in METRICS {
            let Some(values) = self.values.remove(metric.name) else { continue };
            let mut family = proto::MetricFamily::default();
            family.set_name(metric.name.to_owned());
            family.set_help(metric.help());
            family.set_field_type(metric.kind.family());
            family.set_metric(values.into_values().collect());
            families.push(family);
        }
        families.extend(ProcessCollector::for_self().collect());
        // It refuses families without name or value, and there are none.
        TextEncoder::new().encode_to_string(&families).unwrap_or_default()
    }
}
