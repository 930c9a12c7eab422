// How things are written on the page, the same everywhere.

export const GLYPHS = { healthy: "●", suspect: "◐", sick: "✕", unknown: "?", paused: "‖" };

export function duration(seconds) {
  if (seconds == null || !isFinite(seconds)) return "";
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function value(metric, number) {
  if (number == null) return "";
  if (metric.endsWith("_s")) return duration(number);
  if (metric.endsWith("_bytes")) return bytes(number);
  if (metric.endsWith("_rate") || metric.endsWith("_share")) return `${(number * 100).toFixed(1)} %`;
  return Math.abs(number) >= 1000 ? number.toExponential(2) : String(Math.round(number * 1000) / 1000);
}

function bytes(number) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let place = 0;
  while (Math.abs(number) >= 1000 && place < units.length - 1) {
    number /= 1000;
    place += 1;
  }
  return `${place ? number.toFixed(1) : Math.round(number)} ${units[place]}`;
}

export function clock(utc) {
  return new Date(utc * 1000).toLocaleTimeString(undefined, { hour12: false });
}

export function day(utc) {
  const date = new Date(utc * 1000);
  const today = new Date().toDateString() === date.toDateString();
  return today ? clock(utc) : `${date.toLocaleDateString()} ${clock(utc)}`;
}

export const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
export const spoken = (name) => (name ?? "").replaceAll("_", " ");
