/* The count outlives a change of page, not a reload. */
let count = 0;

export function counter(button) {
  const show = () => {
    button.textContent =
      count === 1 ? "1 box lowered" : `${count} boxes lowered`;
  };
  button.addEventListener("click", () => {
    count += 1;
    show();
  });
  show();
}
