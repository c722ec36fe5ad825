// Moves the time slider while the button is pressed.
if (button.timer !== undefined) {
  clearInterval(button.timer)
  button.timer = undefined
}
if (button.active) {
  button.label = "❚❚  Pause"
  if (time.value >= time.end) time.value = time.start
  button.timer = setInterval(() => {
    if (time.value >= time.end) button.active = false
    else time.value = time.value + 1
  }, 110)
} else {
  button.label = "▶  Play"
}
