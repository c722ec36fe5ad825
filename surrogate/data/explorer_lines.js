// Fills the charts: profiles of the moment that the time slider shows, and whole series.
const index = Math.round(time.value)
// An array of Bokeh with a shape cannot cut itself; a plain one can.
const cut = (values, start, count) => Array.prototype.slice.call(values, start, start + count)

for (const { name, shown } of profiles) {
  const depth = lines.data[`${name}_depth`][0]
  const start = index * depth.length
  shown.data.depth = [...depth]
  for (const key of ["mean", "low", "high"]) {
    shown.data[key] = cut(lines.data[`${name}_${key}`][0], start, depth.length)
  }
  shown.change.emit()
}

if (cb_obj !== time) {
  for (const { name, shown } of series) {
    for (const key of ["time", "flux", "low", "high"]) shown.data[key] = [...lines.data[`${name}_${key}`][0]]
    shown.change.emit()
  }
}
