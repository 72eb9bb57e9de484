// What was measured in a span of the past, read from the server and made ready for a chart.

import { number } from "./charts.js";

const LONGEST_WIDTH = 8000;

// The history of some signals of a device over [start, end) in ms since 1970, at most two points for each pixel.
export async function readPast(device, [start, end], width, signals) {
  const wanted = { start: new Date(start).toISOString(), end: new Date(end).toISOString() };
  const query = new URLSearchParams({ ...wanted, width_px: Math.max(2, Math.min(LONGEST_WIDTH, Math.round(width))) });
  for (const signal of signals) query.append("signal", signal);
  const response = await fetch(`/api/v1/devices/${encodeURIComponent(device)}/history?${query}`);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail);
  return answer.signals;
}

// Shows a series in a chart; its label tells what it is about, and the lowest and highest value.
export function showPast(chart, series, span, about, words) {
  const { points, reduced } = series;
  if (points.length === 0) {
    chart.set(reduced ? [[], [], []] : [[], []], { newest: words.none, spoken: () => `${about}: ${words.none}` });
    return;
  }
  const range = rangeOf(points, chart.settings.unit, words);
  chart.set(rowsOf(points, reduced, span), { newest: range, spoken: () => `${about}: ${range}` });
  chart.box.dataset.pieces = pieces(points, span).length;
  chart.box.dataset.reduced = reduced;
}

function rangeOf(points, unit, words) {
  let [low, high] = [Infinity, -Infinity];
  for (const point of points) {
    low = Math.min(low, point[1]);
    high = Math.max(high, point[point.length - 1]);
  }
  return (low === high ? number(low) : `${number(low)} ${words.to} ${number(high)}`) + (unit ? `\u00a0${unit}` : "");
}

// The rows of a chart, with nothing where nothing was measured for long.
function rowsOf(points, reduced, span) {
  const rows = reduced ? [[], [], []] : [[], []];
  for (const piece of pieces(points, span)) {
    if (rows[0].length) {
      rows[0].push(piece[0][0] / 1000 - 1e-6);
      for (const row of rows.slice(1)) row.push(null);
    }
    for (const point of piece) {
      rows[0].push(point[0] / 1000);
      rows[1].push(Number(point[1]));
      if (reduced) rows[2].push(Number(point[2]));
    }
  }
  return rows;
}

// The curve is not drawn where nothing was measured for much longer than usual.
function pieces(points, span) {
  const steps = points.slice(1).map((point, index) => point[0] - points[index][0]).sort((a, b) => a - b);
  const usual = steps.length ? steps[Math.floor(steps.length / 2)] : 0;
  const gap = Math.max(usual * 5, (span[1] - span[0]) / 200);
  const found = [[points[0]]];
  for (let index = 1; index < points.length; index += 1) {
    if (points[index][0] - points[index - 1][0] > gap) found.push([]);
    found.at(-1).push(points[index]);
  }
  return found;
}
