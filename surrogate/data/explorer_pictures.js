// Draws the pictures of the moment that the time slider shows.
// The history of an answer is already here; moving through time asks nobody.
const index = Math.round(time.value)

for (const { name, map, image } of pictures) {
  const drawn = image.data.image[0]
  const values = fields.data[name][0]
  drawn.fill(NaN)
  if (values.length > 0) {
    const [, rows, columns] = values.shape
    const start = index * rows * columns
    const low = fields.data[`${name}_low`][0], step = fields.data[`${name}_step`][0]
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
  image.change.emit() // draws, without sending the pixels back to the server
}

const here = { sync: false }
for (const mark of marks) mark.setv({ location: times[index] }, here)
clock.setv({ text: `<span class="clock"><b>${moments[index]}</b> ${unit}</span>` }, here)
