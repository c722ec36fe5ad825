// Draws the moment that the time slider shows: pictures, profiles, marks and the clock.
// The history of an answer is already here; moving through time asks nobody.
const index = Math.round(time.value)
const gigayears = times[index]

for (const { history, map, image } of pictures) {
  const drawn = image.data.image[0]
  const values = history.data.values[0]
  drawn.fill(NaN)
  if (values !== undefined) {
    const [, rows, columns] = values.shape
    const start = index * rows * columns
    const low = history.data.low[0], step = history.data.step[0]
    const pixel = map.data.pixel[0], node = map.data.node[0], up = map.data.up[0], right = map.data.right[0]
    for (let k = 0; k < pixel.length; k++) {
      const here = start + node[k]
      const a = values[here], b = values[here + 1], c = values[here + columns], d = values[here + columns + 1]
      if (a === 0 || b === 0 || c === 0 || d === 0) continue // 0 marks what is missing
      const r = right[k] / 65535, u = up[k] / 65535
      const lower = a + r * (b - a), upper = c + r * (d - c)
      drawn[pixel[k]] = low + (lower + u * (upper - lower) - 1) * step
    }
  }
  image.change.emit()
}

for (const { history, shown } of profiles) {
  const mean = history.data.mean[0], half = history.data.half[0], depth = history.data.depth[0]
  const cut = { depth: [], mean: [], low: [], high: [] }
  if (mean !== undefined) {
    const rows = mean.shape[1]
    for (let row = 0; row < rows; row++) {
      const value = mean[index * rows + row], width = half[index * rows + row]
      cut.depth.push(depth[row])
      cut.mean.push(value)
      cut.low.push(value - width)
      cut.high.push(value + width)
    }
  }
  shown.data = cut
}

for (const mark of marks) mark.location = gigayears
clock.text = `<span class="clock"><b>${gigayears.toFixed(2)}</b> Gyr</span>`
