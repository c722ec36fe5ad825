// Says what sliders and fields are to who does not see the page: what they set, and its value with its unit.
for (const view of Bokeh.index.query((view) => view.model.tags?.[0]?.label !== undefined)) {
  const { label, unit, factor, logarithmic, values } = view.model.tags[0]
  const root = view.shadow_el
  const number = (value) => {
    if (values !== undefined) return values[Math.round(value)]
    const rounded = Number(((logarithmic ? 10 ** value : value) * factor).toPrecision(4))
    const short = rounded === 0 || (Math.abs(rounded) < 1e5 && Math.abs(rounded) >= 1e-3)
    return short ? rounded.toString() : rounded.toExponential().replace("e+", "e")
  }
  for (const part of root.querySelectorAll(".noUi-handle, input")) {
    part.setAttribute("aria-label", unit === "" || part.tagName !== "INPUT" ? label : `${label} in ${unit}`)
  }
  const handle = root.querySelector(".noUi-handle")
  if (handle === null) continue
  // The slider writes its bare value with every move; this is called after it.
  root.querySelector(".noUi-target").noUiSlider.on("update.spoken", (_shown, _handle, raw) => {
    handle.setAttribute("aria-valuetext", `${number(raw[0])} ${unit}`.trim())
  })
}
