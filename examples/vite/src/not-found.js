export const notFound = {
  title: "Not found",
  render(main) {
    main.innerHTML = `
      <section>
        <h1>Nothing hangs here</h1>
        <p>There is no page <code class="address"></code>.</p>
      </section>`;
    main.querySelector(".address").textContent = location.pathname;
  },
};
